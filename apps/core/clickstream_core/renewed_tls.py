"""A TLS context whose files may be replaced while the program runs.

Strimzi and other issuers renew a CA or a client certificate in a mounted folder; connections that are open live on, and
the next one needs the new files. kafka-python is given their names and reads them at each connection, aiokafka is given
a context and keeps it. `RenewedContext` is therefore a context that makes its connections with another one, built again
when the files have changed. It is built from nothing because a context never forgets a CA that it has once loaded.
"""

import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from clickstream_core.errors import SettingsError

_log = logging.getLogger(__name__)


class RenewedContext(ssl.SSLContext):
    """Connects with what `build` made of the `files` when one of them had last changed; for asyncio and uvloop only.

    They ask a context for one thing, `wrap_bio`, once for each connection. Files that can't be used at that moment
    (`build` raises SettingsError) are logged once, the connection is made as before, and the next one tries them again.
    """

    def __new__(cls, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, build: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        self._build = build
        self._files = files
        self._states = self._present_states()
        self._newest = build()
        self._complaint = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return the TLS side of a new connection, with the files as they are now."""
        self._read_again_if_changed()
        return self._newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def _read_again_if_changed(self) -> None:
        states = self._present_states()
        complaint = ""
        if states != self._states:
            try:
                self._newest = self._build()
            except SettingsError as error:
                complaint = str(error)
                if complaint != self._complaint:
                    _log.warning("%s; using the certificates read before", complaint)
            else:
                self._states = states
                _log.info("Read again for new connections to Kafka: %s", ", ".join(map(str, self._files)))
        self._complaint = complaint

    def _present_states(self) -> list[tuple[int, int, int] | None]:
        return [_state(file) for file in self._files]


def _state(file: Path) -> tuple[int, int, int] | None:
    """What differs when a file was written to, or when its path leads to another one, as after Kubernetes' swaps."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
