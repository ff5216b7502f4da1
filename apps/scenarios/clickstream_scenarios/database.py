"""The database: MariaDB 10.11 or newer, or a file of SQLite.

Connections are made when they are needed and checked before use, so a restart of the database costs no error. A server
that does not answer costs a few seconds. The password may be in a file, which is read for each
new connection: a new one holds without a restart.
"""

import json
import re
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from clickstream_scenarios.store_settings import DatabaseSettings

_CONNECT_S = 5
_ANSWER_S = 5
_POOL_WAIT_S = 5
_RECYCLE_S = 600
_SQLITE_LOCK_S = 20
_OLDEST = (10, 11)

# MariaDB's error numbers that depend on the state of the server or on its settings, not on the statement.
_AWAY = {
    1044: "its user may not use this database",
    1045: "it refuses the password or the user",
    1049: "it has no such database",
    1142: "its user may not do this",
    1146: "its tables are missing: run clickstream-scenarios migrate",
    1698: "it refuses the password or the user",
}
_FULL, _READ_ONLY = "its disk is full", "it accepts no writing now"
_NO_CHANGES = {1021: _FULL, 1114: _FULL, 1290: _READ_ONLY, 1836: _READ_ONLY}
_SQLITE = {"no such table": 1146, "disk is full": 1114, "readonly database": 1290}
"""Words of SQLite, and MariaDB's number for the same."""


class DatabaseAway(Exception):
    """The database can't be reached or refuses; the message says so in one line."""


def address(url: str) -> URL:
    """Return a valid address with its driver."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        return parsed
    parsed = parsed.set(drivername="mariadb+pymysql")
    return parsed if "charset" in parsed.query else parsed.update_query_dict({"charset": "utf8mb4"})


def connect(settings: DatabaseSettings, answer_s: int = _ANSWER_S) -> Engine:
    """Return the database. It connects when it is used first; a statement may take `answer_s`.

    Raises SettingsError without an address.
    """
    settings.required()
    assert settings.url is not None
    url = address(settings.url)
    if url.drivername == "sqlite":
        arguments = {"timeout": _SQLITE_LOCK_S, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments, json_serializer=_json)
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    engine = create_engine(
        url,
        connect_args={"connect_timeout": _CONNECT_S, "read_timeout": answer_s, "write_timeout": answer_s},
        isolation_level="READ COMMITTED",
        json_serializer=_json,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_S,
        pool_size=2,
        pool_timeout=_POOL_WAIT_S,
    )
    if (file := settings.password_file) is not None:

        def with_password(_: Any, entry: ConnectionPoolEntry, args: Any, parameters: dict[str, Any]) -> None:
            parameters["password"] = file.read_text(encoding="utf-8").strip()

        event.listen(engine, "do_connect", with_password)
    return engine


def _json(value: object) -> str:
    """JSON that a person can read in the database's own client, Korean too."""
    return json.dumps(value, ensure_ascii=False)


def _set_up_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")  # readers don't wait for a writer


def check_version(engine: Engine) -> None:
    """Raise DatabaseAway when the server is too old. The engine has connected before."""
    found = engine.dialect.server_version_info
    if engine.dialect.name != "sqlite" and found is not None and found[:2] < _OLDEST:
        raise DatabaseAway(f"MariaDB {'.'.join(map(str, found))} is too old: 10.11 or newer is needed")


def failure(error: SQLAlchemyError | OSError) -> DatabaseAway:
    """Return the failure in one line."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else None
    words = str(cause.args[-1] if cause.args else cause)
    words = re.sub(r"\s+", " ", words).strip()
    said = [why for part, why in _SQLITE.items() if part in words]
    number = said[0] if said else number
    if number in _NO_CHANGES:
        return DatabaseAway(f"the database takes no changes: {_NO_CHANGES[number]} ({words})")
    if number in _AWAY:
        words = f"{_AWAY[number]} ({words})"
    return DatabaseAway(f"the database is away: {words}")
