"""Where the database and Redis are. An address may have a password, so no message shows it."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from clickstream_core.errors import SettingsError
from clickstream_core.settings import path, setting, text

_DATABASES = ("mariadb", "mysql", "mariadb+pymysql", "mysql+pymysql")
_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")
_NOT_SHOWN = "(not shown, it may have a password)"


@dataclass(frozen=True)
class DatabaseSettings:
    """Where the database is."""

    url: str | None = setting(
        "DATABASE_URL",
        parse=text,
        help="the database: mariadb://USER@HOST:3306/NAME (with ?ssl_ca=FILE for TLS) or sqlite:///FILE",
    )
    password_file: Path | None = setting(
        "DATABASE_PASSWORD_FILE",
        parse=path,
        help="file with the password of the database, read again for each connection; default: the one in DATABASE_URL",
    )

    def validate(self) -> None:
        """Raise SettingsError when the address can't be used."""
        if self.url is not None and not _is_database(self.url):
            raise SettingsError(f"DATABASE_URL {_NOT_SHOWN}: expected mariadb://USER@HOST:3306/NAME or sqlite:///FILE")

    def required(self) -> None:
        """Raise SettingsError when there is no address."""
        if self.url is None:
            raise SettingsError("DATABASE_URL is not set: expected mariadb://USER@HOST:3306/NAME or sqlite:///FILE")


@dataclass(frozen=True)
class CacheSettings:
    """Where Redis is."""

    url: str | None = setting(
        "REDIS_URL",
        parse=text,
        help="Redis or Valkey: redis://HOST:6379/0, or rediss:// for TLS; without it the database answers alone",
    )
    password_file: Path | None = setting(
        "REDIS_PASSWORD_FILE",
        parse=path,
        help="file with the password of Redis, read again for each connection; default: the one in REDIS_URL",
    )

    def validate(self) -> None:
        """Raise SettingsError when the address can't be used."""
        if self.url is not None and not _is_redis(self.url):
            raise SettingsError(f"REDIS_URL {_NOT_SHOWN}: expected redis://HOST:6379/0 or rediss://HOST:6379/0")


@dataclass(frozen=True)
class StoreSettings:
    """Where scenarios and members are."""

    database: DatabaseSettings
    cache: CacheSettings


def _is_database(url: str) -> bool:
    try:
        parsed = urlsplit(url)
        if parsed.scheme == "sqlite":
            return not parsed.netloc and len(parsed.path) > 1
        return parsed.scheme in _DATABASES and bool(parsed.hostname) and parsed.port != 0 and len(parsed.path) > 1
    except ValueError:
        return False


def _is_redis(url: str) -> bool:
    try:
        parsed = urlsplit(url)
        return parsed.scheme in _REDIS and bool(parsed.hostname or parsed.scheme == "unix") and parsed.port != 0
    except ValueError:
        return False
