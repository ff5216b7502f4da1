"""A store's Secret: an address in `url`, and the password in `password` unless the address has it."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from clickstream_deploy.objects import Manifest


@dataclass(frozen=True)
class StoreKind:
    """What the stores of a kind have: the option that names the Secret, the value of the charts, an address."""

    option: str
    value: str
    schemes: tuple[str, ...]
    example: str
    port: int
    needs_password: bool


DATABASE = StoreKind(
    "--database-secret",
    "database",
    ("mariadb", "mysql", "mariadb+pymysql", "mysql+pymysql"),
    "mariadb://USER@HOST:3306/NAME",
    3306,
    needs_password=True,
)
REDIS = StoreKind(
    "--redis-secret",
    "redis",
    ("redis", "rediss", "valkey", "valkeys"),
    "redis://HOST:6379/0",
    6379,
    needs_password=False,
)


@dataclass(frozen=True)
class Store:
    """A store of a kind, and its Secret's name and data; None where it can't be read."""

    kind: StoreKind
    secret: str
    data: Manifest | None = None

    def text(self, key: str) -> str:
        """The Secret's text, "" without one."""
        try:
            return base64.b64decode((self.data or {}).get(key) or "").decode()
        except (binascii.Error, ValueError):
            return ""

    def problem(self) -> str:
        """Return what its Secret lacks, "" for nothing."""
        url = self.text("url").strip()
        if not url:
            return f"has no url, such as {self.kind.example}"
        parsed = urlsplit(url)
        try:
            usable = parsed.scheme in self.kind.schemes and bool(parsed.hostname) and parsed.port != 0
        except ValueError:
            usable = False
        if not usable:
            return f"has a url (not shown, it may have a password) that is not like {self.kind.example}"
        if self.kind.needs_password and not (parsed.password or self.text("password")):
            return "has no password, and no url with one"
        return ""

    def values(self) -> dict[str, Any]:
        """Return the charts' values of this store."""
        named = self.data is None or "password" in self.data
        return {"secret": self.secret, "passwordKey": "password" if named else "", "port": self._port()}

    def _port(self) -> int:
        try:
            return urlsplit(self.text("url").strip()).port or self.kind.port
        except ValueError:
            return self.kind.port
