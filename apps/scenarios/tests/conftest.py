"""Databases for the tests: SQLite and a real MariaDB, each test with an empty one of its own."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from clickstream_scenarios.cache import Cache, client
from clickstream_scenarios.database import connect
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.store_settings import CacheSettings, DatabaseSettings
from kit.mariadb import MariaDB, mariadb
from kit.redis_server import RedisServer, redis_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """The MariaDB shared by the tests of this run. Do not stop it: tests differ in their databases."""
    with mariadb(tmp_path_factory.mktemp("mariadb")) as shared:
        yield shared


@pytest.fixture
def own_mariadb(tmp_path: Path) -> Iterator[MariaDB]:
    """A running MariaDB for one test, which may stop, kill, pause and restart it."""
    with mariadb(tmp_path) as owned:
        yield owned


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/scenarios.db"
    server: MariaDB = request.getfixturevalue("mariadb_server")
    return server.make_database(f"test{next(_numbers)}")


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Engine]]:
    """A function that opens the database at an address."""
    opened: list[Engine] = []

    def open_it(url: str) -> Engine:
        opened.append(connect(DatabaseSettings(url=url)))
        return opened[-1]

    yield open_it
    for engine in opened:
        engine.dispose()


@pytest.fixture
def database(url: str, open_database: Callable[[str], Engine]) -> Engine:
    """A database of each kind with its tables."""
    engine = open_database(url)
    migrate(engine)
    return engine


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Valkey shared by the tests of this run."""
    with redis_server(tmp_path_factory.mktemp("redis")) as shared:
        yield shared


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """The shared Valkey, empty."""
    with shared_redis.client as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Valkey for one test, which may stop, kill, pause and restart it."""
    with redis_server(tmp_path) as owned:
        yield owned


@pytest.fixture
def open_cache() -> Iterator[Callable[[str | None], Cache]]:
    """A function that opens a cache on a Redis, or on none."""
    opened: list[Cache] = []

    def open_it(url: str | None) -> Cache:
        opened.append(Cache(client(CacheSettings(url=url))))
        return opened[-1]

    yield open_it
    for cache in opened:
        cache.close()
