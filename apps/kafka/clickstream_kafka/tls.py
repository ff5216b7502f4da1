"""A TLS context whose files may be replaced while the program runs.

Strimzi and other issuers renew a CA or a client certificate in a mounted folder; connections that are open live on, and
the next one needs the new files. aiokafka is given a context and keeps it. kafka-python would read the files itself at
each connection, but takes one that it can't read for the end: its consumer raises OpenSSL's error, and its producer
gives up what it was about to send. `RenewedContext` is therefore a context that makes its connections with another one,
built again when the files have changed. It is built from nothing because a context never forgets a CA that it has once
loaded.

Kubernetes swaps all files of a folder at once; somebody who writes them in place does not. So a file may be empty, half
written, or the key of another certificate for a while, and whole ones are waited for, at the start too.
"""

import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from clickstream_core.errors import SettingsError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)

_log = logging.getLogger(__name__)


class RenewedContext(ssl.SSLContext):
    """Connects with what `build` made of the `files` when one of them had last changed.

    asyncio and uvloop ask a context for one thing, `wrap_bio`, and kafka-python for `wrap_socket`, once for each
    connection. Files that can't be used at that moment (`build` raises SettingsError) are logged once, the connection
    is made as before, and the next one tries them again.
    """

    def __new__(cls, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        self._build = build
        self._files = files
        self._states: list[tuple[int, int, int] | None] | None = None
        self._newest: ssl.SSLContext | None = None
        self._complaint = ""
        self._one_at_a_time = threading.Lock()
        self._read_again_if_changed()

    def present(self) -> ssl.SSLContext:
        """Return the context of the files as they are now or, while they can't be used, as they were before.

        Raises SettingsError when they could never be used so far.
        """
        with self._one_at_a_time:
            self._read_again_if_changed()
            if self._newest is None:
                raise SettingsError(self._complaint)
            return self._newest

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the TLS side of a new connection, with the files as they are now.

        Raises SSLError, which its callers expect, instead of SettingsError.
        """
        try:
            present = self.present()
        except SettingsError as error:
            raise ssl.SSLError(0, str(error)) from error
        return present.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Return the socket of a new connection with TLS, with the files as they are now."""
        return self.present().wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def _read_again_if_changed(self) -> None:
        states = [_state(file) for file in self._files]
        complaint = ""
        if states != self._states:
            try:
                newest = self._build()
            except SettingsError as error:
                complaint = str(error)
                if self._newest is not None and complaint != self._complaint:
                    _log.warning("%s; using the certificates read before", complaint)
            else:
                if self._newest is not None:
                    _log.info("Read again for new connections to Kafka: %s", ", ".join(map(str, self._files)))
                self._newest, self._states = newest, states
        self._complaint = complaint


def what_is_missing(file: Path) -> str:
    """Say what shows that a PEM file is still being written; nothing when it is whole, or no PEM file at all."""
    try:
        content = file.read_bytes()
    except OSError:
        return ""
    if not content.strip():
        return f"{file.name} is empty: write it anew"
    return f"{file.name} breaks off: write it anew" if b"-----" in _BLOCK.sub(b"", content) else ""


def _state(file: Path) -> tuple[int, int, int] | None:
    """What differs when a file was written to, or when its path leads to another one, as after Kubernetes' swaps."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
