"""Brings the tables of a database up to date: `clickstream-scenarios migrate`.

Two at a time wait for each other, by a lock of MariaDB's or the lock of SQLite's file.
"""

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from clickstream_scenarios.database import DatabaseAway, check_version, failure

_LOCK = "clickstream_scenarios_migrate"
_LOCK_S = 10
_PAUSE_S = 1.0
ANSWER_S = 3600
"""How long a statement of a migration may take: a changed column rewrites a large table."""


class _Busy(Exception):
    """Another migration runs."""


def migrate(engine: Engine, patience_s: float = 60.0, wait: Callable[[float], object] = time.sleep) -> tuple[str, str]:
    """Return the revision of the tables before ("" for an empty database) and after.

    A database that is away and another migration are waited for. Raises DatabaseAway after `patience_s`.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with engine.connect() as connection:
                check_version(engine)
                return _migrate(connection)
        except _Busy as error:
            if time.monotonic() > deadline:
                raise DatabaseAway(f"another migration has been running for {patience_s:g} s") from error
        except (SQLAlchemyError, OSError) as error:
            if time.monotonic() > deadline:
                raise failure(error) from error
        wait(_PAUSE_S)


def newest() -> str:
    """Return the revision that this version of the app needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def revision_of(connection: Connection) -> str:
    """Return the revision of the tables that are there, "" without any."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def _migrate(connection: Connection) -> tuple[str, str]:
    server = connection.dialect.name != "sqlite"
    if server and connection.scalar(text("SELECT GET_LOCK(:name, :s)"), {"name": _LOCK, "s": _LOCK_S}) != 1:
        raise _Busy
    try:
        connection.commit()
        if not server:
            connection.execute(text("BEGIN IMMEDIATE"))
        before = revision_of(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        after = revision_of(connection)
        connection.commit()
    finally:
        if server:
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": _LOCK})
    return before, after


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
