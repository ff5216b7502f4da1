"""A SASL password that may change while the program runs.

Strimzi and other secret stores replace a mounted password file; the connection that was made with the old password
lives on, and the next one needs the new one. Neither client library asks for the password again: both keep the `str`
they were given. `Password` is therefore a `str` that reads its file anew at the moment a library uses it. For SCRAM
that moment is `password.encode()`, which both call once for each handshake. For PLAIN both join user and password to
one text first, and a join does not look at methods, so `reread_for_plain_*` put a PLAIN mechanism in place that takes
the present password: in kafka-python through its registry of mechanisms, in aiokafka, which has no registry, by
replacing the class that its connections use.

A `Password` never shows itself in a log or traceback: its `repr` is `'***'`.
"""

import logging
from functools import cache
from pathlib import Path
from typing import Any, Self

_log = logging.getLogger(__name__)


class Password(str):
    """A password, or the content of a password file at the last time that it could be read."""

    _file: Path | None
    _last_good: str
    _complaint: str

    def __new__(cls, password: str, file: Path | None = None) -> Self:
        created = super().__new__(cls, password)
        created._file = file
        created._last_good = password
        created._complaint = ""
        return created

    @classmethod
    def from_file(cls, file: Path) -> Self:
        """Read the password from `file` (a line end after it does not count) now, and again at each use.

        Raises ValueError that says why, when the file cannot be read or holds no password.
        """
        return cls(_read(file), file)

    def current(self) -> str:
        """Return the password as it is in the file now.

        A file that cannot be read at this moment (secret volumes are swapped under the reader) is logged once, and the
        last password that could be read is returned: at worst the broker refuses it and the client tries again.
        """
        if self._file is not None:
            complaint = ""
            try:
                self._last_good = _read(self._file)
            except ValueError as error:
                complaint = str(error)
                if complaint != self._complaint:
                    _log.warning("KAFKA_SASL_PASSWORD_FILE=%s: %s; using the password read before", self._file, error)
            self._complaint = complaint
        return self._last_good

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Return the current password's bytes."""
        return self.current().encode(encoding, errors)

    def __repr__(self) -> str:
        return "'***'"


@cache
def reread_for_plain_in_kafka_python() -> None:
    """Make kafka-python's PLAIN mechanism use a `Password`'s current value at each connection."""
    from kafka.net.sasl import register_sasl_mechanism
    from kafka.net.sasl.plain import SaslMechanismPlain

    class RereadingPlain(SaslMechanismPlain):  # type: ignore[misc]  # kafka-python has no types
        def __init__(self, **config: Any) -> None:
            super().__init__(**config)
            self.password = _current(config["sasl_plain_password"])

    register_sasl_mechanism("PLAIN", RereadingPlain, overwrite=True)


@cache
def reread_for_plain_in_aiokafka() -> None:
    """Make aiokafka's PLAIN mechanism use a `Password`'s current value at each connection."""
    from aiokafka import conn

    class RereadingPlain(conn.SaslPlainAuthenticator):  # type: ignore[misc]  # aiokafka has no types
        def __init__(self, *, sasl_plain_password: str, **config: Any) -> None:
            super().__init__(sasl_plain_password=_current(sasl_plain_password), **config)

    conn.SaslPlainAuthenticator = RereadingPlain


def _current(password: str) -> str:
    return password.current() if isinstance(password, Password) else password


def _read(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"expected a file that can be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError("expected a file with a password in UTF-8") from error
    if not password:
        raise ValueError("expected a file with a password, but it is empty")
    return password
