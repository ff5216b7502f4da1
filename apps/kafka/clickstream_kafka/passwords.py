"""A SASL password that may change while the program runs.

Strimzi and other secret stores replace a mounted password file. Connections made with the old password stay open, the
next one needs the new password, and neither client library asks for it again: both keep the `str` that they were given.
`Password` is therefore a `str` that reads its file again when a library uses it. For SCRAM that is `password.encode()`,
which both call once for each handshake. For PLAIN both join user and password, which calls no method of `Password`, so
a patch of each library replaces its PLAIN mechanism. A `Password` is not shown in logs or tracebacks.
"""

import logging
from pathlib import Path
from typing import Self

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
        """Read the password from `file`, without a final line end, now and again at each use.

        Raises ValueError, with the reason, when the file cannot be read or holds no password.
        """
        return cls(_read(file), file)

    def current(self) -> str:
        """Return the password as it is in the file now.

        A file that cannot be read at the moment (secret volumes are replaced while they are read) is logged once, and
        the last password that was read is returned: at worst the broker refuses it and the client tries again.
        """
        if self._file is not None:
            complaint = ""
            try:
                self._last_good = _read(self._file)
            except ValueError as error:
                complaint = str(error)
                if complaint != self._complaint:
                    _log.warning("KAFKA_SASL_PASSWORD_FILE=%s: %s; using the previous password", self._file, error)
            self._complaint = complaint
        return self._last_good

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.current().encode(encoding, errors)

    def __repr__(self) -> str:
        return "'***'"


def current(password: str) -> str:
    """Return the password as it is now, if it is a `Password`; any other text as it is."""
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
