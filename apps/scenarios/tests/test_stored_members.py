import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Engine, event

from clickstream_scenarios.cache import KEPT_S, UNKNOWN_KEPT_S, Cache
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_store import write_members
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.stored_members import StoredMembers
from kit.mariadb import MariaDB
from kit.redis_server import RedisServer

OpenCache = Callable[[str | None], Cache]
OpenDatabase = Callable[[str], Engine]


class Stage:
    """Members with a clock and a number of imports that the test moves, and a count of the database's queries."""

    def __init__(self, engine: Engine, cache: Cache, answer_s: float) -> None:
        self.now = 1000.0
        self.imports = 0
        self.queries = 0
        self.members = StoredMembers(engine, cache, DatabaseState(), lambda: self.imports, lambda: self.now, answer_s)
        event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.queries += 1


@asynccontextmanager
async def staged(engine: Engine, cache: Cache, answer_s: float = 60) -> AsyncIterator[Stage]:
    stage = Stage(engine, cache, answer_s)
    await stage.members.start()
    yield stage
    await stage.members.close()


async def test_members_are_asked_for_once(database: Engine, open_cache: OpenCache) -> None:
    kim = Member("kim", "MALE", attributes={"grade": "VIP"})
    write_members(database, [kim])
    async with staged(database, open_cache(None)) as stage:
        for _ in range(3):
            assert await stage.members.find(["kim", "nobody"]) == {"kim": kim, "nobody": None}
        assert stage.queries == 1


async def test_twenty_thousand_members_are_twenty_queries(
    redis: RedisServer, database: Engine, open_cache: OpenCache
) -> None:
    write_members(database, [Member(f"m{number}") for number in range(0, 20_000, 2)])
    ids = [f"m{number}" for number in range(20_000)]
    async with staged(database, open_cache(redis.url)) as stage:
        for start in range(0, len(ids), 2000):
            found = await stage.members.find(ids[start : start + 2000])
            assert len(found) == 2000
            assert sum(member is not None for member in found.values()) == 1000
        assert stage.queries == 20
    async with staged(database, open_cache(redis.url)) as another_replica:
        for start in range(0, len(ids), 2000):
            assert len(await another_replica.members.find(ids[start : start + 2000])) == 2000
        assert another_replica.queries == 0


async def test_a_member_who_is_asked_for_at_once_is_loaded_once(database: Engine, open_cache: OpenCache) -> None:
    write_members(database, [Member(f"m{number}") for number in range(100)])
    async with staged(database, open_cache(None)) as stage:
        asked = [stage.members.find([f"m{number % 100}", "nobody"]) for number in range(1000)]
        found = await asyncio.gather(*asked)
        assert all(len(each) == 2 for each in found)
        assert stage.queries == 1


async def test_members_are_asked_for_again_when_their_time_is_over(database: Engine, open_cache: OpenCache) -> None:
    async with staged(database, open_cache(None)) as stage:
        assert await stage.members.find(["kim"]) == {"kim": None}
        write_members(database, [Member("kim")])
        stage.now += UNKNOWN_KEPT_S - 1
        assert await stage.members.find(["kim"]) == {"kim": None}
        stage.now += 1
        assert await stage.members.find(["kim"]) == {"kim": Member("kim")}
        write_members(database, [Member("kim", "MALE")])
        stage.now += KEPT_S
        assert await stage.members.find(["kim"]) == {"kim": Member("kim", "MALE")}


async def test_an_import_is_seen_at_once(redis: RedisServer, database: Engine, open_cache: OpenCache) -> None:
    async with staged(database, open_cache(redis.url)) as stage:
        assert await stage.members.find(["kim"]) == {"kim": None}
        write_members(database, [Member("kim")])
        stage.imports += 1
        assert await stage.members.find(["kim"]) == {"kim": Member("kim")}


async def test_a_flushed_redis_costs_a_query(redis: RedisServer, database: Engine, open_cache: OpenCache) -> None:
    write_members(database, [Member("kim")])
    async with staged(database, open_cache(redis.url)) as first:
        await first.members.find(["kim"])
    with redis.client as server:
        server.flushall()
    async with staged(database, open_cache(redis.url)) as second:
        assert await second.members.find(["kim"]) == {"kim": Member("kim")}
        assert second.queries == 1


async def test_with_the_database_away_known_members_are_found_and_unknown_ones_later(
    own_mariadb: MariaDB,
    redis: RedisServer,
    open_database: OpenDatabase,
    open_cache: OpenCache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    migrate(engine)
    write_members(engine, [Member("memory"), Member("redis"), Member("database")])
    async with staged(engine, open_cache(redis.url)) as other:
        await other.members.find(["redis"])
    async with staged(engine, open_cache(redis.url)) as stage:
        await stage.members.find(["memory"])
        own_mariadb.kill()
        ids = ["memory", "redis", "database"]
        found = {"memory": Member("memory"), "redis": Member("redis")}
        for _ in range(3):
            assert await stage.members.find(ids) == found
        await asyncio.to_thread(own_mariadb.start)
        assert await stage.members.find(ids) == found | {"database": Member("database")}
    warnings = [record.message for record in caplog.records if record.name.endswith("database_state")]
    assert len(warnings) == 2
    assert warnings[0].endswith("; the last known scenarios and members hold")
    assert warnings[1] == "the database answers again"


async def test_a_database_that_hangs_holds_a_look_up_for_a_second(
    own_mariadb: MariaDB, open_database: OpenDatabase, open_cache: OpenCache
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    migrate(engine)
    write_members(engine, [Member("kim")])
    async with staged(engine, open_cache(None), 1) as stage:
        await stage.members.find(["other"])
        own_mariadb.pause()
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await stage.members.find(["kim", "other"]) == {"other": None}
        assert loop.time() - started < 4
        own_mariadb.resume()
        while "kim" not in (found := await stage.members.find(["kim"])):
            assert loop.time() - started < 20
        assert found == {"kim": Member("kim")}


async def test_a_load_that_an_import_overtakes_is_not_kept(database: Engine, open_cache: OpenCache) -> None:
    asked, imported = threading.Event(), threading.Event()
    async with staged(database, open_cache(None)) as stage:

        def between(*_: object) -> None:
            if not asked.is_set():
                asked.set()
                imported.wait(5)

        event.listen(database, "after_cursor_execute", between)
        looking = asyncio.create_task(stage.members.find(["kim"]))
        await asyncio.to_thread(asked.wait, 5)
        write_members(database, [Member("kim")])
        stage.imports += 1
        imported.set()
        assert await looking == {}
        assert await stage.members.find(["kim"]) == {"kim": Member("kim")}
