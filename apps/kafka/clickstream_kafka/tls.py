"""A TLS context whose files may be replaced while the program runs.

Strimzi and other issuers renew a CA or a client certificate in a mounted folder. Open connections stay, and the next
one needs the new files. aiokafka keeps the context that it is given; kafka-python reads the files at each connection,
but one that it can't read is fatal. So `RenewedContext` is a context that connects with an inner one, which is built
again when the files have changed: from scratch, because a context never forgets a CA that it has loaded.

Kubernetes replaces all files of a folder at once, but other tools write them in place. So a file may be empty, half
written, or the key of another certificate for a while. The program then waits for complete files, also at its start.

Upstream: kafka-python #1959 (open) asks for it; none found for aiokafka.
"""

import logging
import re
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from clickstream_core.errors import SettingsError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

_log = logging.getLogger(__name__)


class RenewedContext(ssl.SSLContext):
    """Connects with the context that `build` made of the `files` after their last change.

    asyncio and uvloop call one method of a context, `wrap_bio`, and kafka-python `wrap_socket`, once for each
    connection. If the files can't be used at that moment (`build` raises SettingsError), that is logged once, the
    connection uses the previous context, and the next connection tries the files again.
    """

    def __new__(cls, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        self._build = build
        self._files = files
        self._states: list[tuple[int, int, int] | None] | None = None
        self._newest: ssl.SSLContext | None = None
        self._complaint = ""
        self._lock = threading.Lock()
        self._reload_if_changed()

    def present(self) -> ssl.SSLContext:
        """Return the context of the files as they are now or, while they can't be used, the previous one.

        Raises SettingsError if there is no previous one.
        """
        with self._lock:
            self._reload_if_changed()
            if self._newest is None:
                raise SettingsError(self._complaint)
            return self._newest

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Return the TLS object of a new connection; SSLError instead of SettingsError, as its callers expect."""
        try:
            present = self.present()
        except SettingsError as error:
            raise ssl.SSLError(0, str(error)) from error
        return present.wrap_bio(*arguments, **options)

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Return the TLS socket of a new connection."""
        return self.present().wrap_socket(*arguments, **options)

    def _reload_if_changed(self) -> None:
        states = [_state(file) for file in self._files]
        complaint = ""
        if states != self._states:
            try:
                newest = self._build()
            except SettingsError as error:
                complaint = str(error)
                if self._newest is not None and complaint != self._complaint:
                    _log.warning("%s; using the previous certificates", complaint)
            else:
                if self._newest is not None:
                    _log.info("Reloaded for new connections to Kafka: %s", ", ".join(map(str, self._files)))
                self._newest, self._states = newest, states
        self._complaint = complaint


def why_incomplete(file: Path) -> str:
    """Return why a PEM file seems incomplete; "" if it is complete, or not a PEM file at all."""
    try:
        content = file.read_bytes()
    except OSError:
        return ""
    if not content.strip():
        return f"{file.name} is empty: write it again"
    return f"{file.name} is truncated: write it again" if b"-----" in _BLOCK.sub(b"", content) else ""


def _state(file: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written, or its path leads to another one, as after an update of a Secret."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
