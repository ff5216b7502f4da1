import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from clickstream_scenarios import stored_rules
from clickstream_scenarios.cache import CHANNEL, Cache
from clickstream_scenarios.database_state import DatabaseState
from clickstream_scenarios.member_store import announce_import
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import Filter, Scenario
from clickstream_scenarios.scenario_store import create_scenario, save_scenario
from clickstream_scenarios.stored_rules import StoredRules
from kit.mariadb import MariaDB
from kit.redis_server import RedisServer

NOW = datetime(2026, 11, 27, tzinfo=UTC)
FIVE = Scenario(5, "five", filters=(Filter("age", ">", "20"),))
OpenCache = Callable[[str | None], Cache]
OpenDatabase = Callable[[str], Engine]


@asynccontextmanager
async def following(engine: Engine, cache: Cache) -> AsyncIterator[StoredRules]:
    rules = StoredRules(engine, cache, DatabaseState())
    await rules.start()
    yield rules
    await rules.close()


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in threads and databases
            await asyncio.sleep(0.01)


async def test_a_change_holds_within_five_seconds_without_redis(database: Engine, open_cache: OpenCache) -> None:
    create_scenario(database, FIVE, "kim", NOW)
    async with following(database, open_cache(None)) as rules:
        await until(lambda: rules.waits_for() == "", 10)
        first = rules.scenario(5)
        assert first == FIVE
        assert rules.scenario(6) is None
        create_scenario(database, replace(FIVE, scenario_id=6), "kim", NOW)
        await until(lambda: rules.scenario(6) is not None, 5)
        assert rules.scenario(5) is first, "the same object until there is another version"
        save_scenario(database, replace(FIVE, active=False), 1, "kim", NOW)
        await until(lambda: rules.scenario(5) == replace(FIVE, active=False, version=2), 5)
        assert REGISTRY.get_sample_value("clickstream_scenarios_active_scenarios") == 1
        assert rules.imports == 0
        announce_import(database, "kim", "members.csv")
        await until(lambda: rules.imports == 1, 5)


async def test_redis_announces_a_change_at_once(
    redis: RedisServer, database: Engine, open_cache: OpenCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_rules, "_INTERVAL_S", 3600)
    async with following(database, open_cache(redis.url)) as rules:
        await until(lambda: rules.waits_for() == "", 10)
        with redis.client as server:
            await until(lambda: server.pubsub_numsub(CHANNEL)[0][1] == 1, 10)
            create_scenario(database, FIVE, "kim", NOW)
            server.publish(CHANNEL, "5")
        await until(lambda: rules.scenario(5) is not None, 5)


async def test_announcements_are_heard_again_after_redis_was_away(
    own_redis: RedisServer, database: Engine, open_cache: OpenCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_rules, "_INTERVAL_S", 3600)
    async with following(database, open_cache(own_redis.url)) as rules:
        await until(lambda: rules.waits_for() == "", 10)
        assert own_redis.child is not None
        own_redis.child.kill()
        await asyncio.to_thread(own_redis.start)
        with own_redis.client as server:
            await until(lambda: server.pubsub_numsub(CHANNEL)[0][1] == 1, 10)
            create_scenario(database, FIVE, "kim", NOW)
            server.publish(CHANNEL, "5")
        await until(lambda: rules.scenario(5) is not None, 5)


async def test_the_last_known_scenarios_hold_while_the_database_is_away(
    own_mariadb: MariaDB, redis: RedisServer, open_database: OpenDatabase, open_cache: OpenCache
) -> None:
    engine = open_database(own_mariadb.make_database("scenarios"))
    async with following(engine, open_cache(redis.url)) as rules:
        await until(lambda: "its tables are missing" in rules.waits_for(), 10)
        migrate(engine)
        create_scenario(engine, FIVE, "kim", NOW)
        await until(lambda: rules.scenario(5) == FIVE, 10)
        own_mariadb.kill()
        await until(lambda: REGISTRY.get_sample_value("clickstream_scenarios_database_up") == 0, 10)
        assert rules.scenario(5) == FIVE
        age = REGISTRY.get_sample_value("clickstream_scenarios_rules_age_seconds")
        assert age is not None
        assert age > 0
        async with following(open_database(own_mariadb.url("scenarios")), open_cache(redis.url)) as started_now:
            await until(lambda: started_now.scenario(5) == FIVE, 10)
            assert started_now.waits_for() == ""
        async with following(open_database(own_mariadb.url("scenarios")), open_cache(None)) as without_redis:
            await until(lambda: "the database is away" in without_redis.waits_for(), 10)
            await asyncio.to_thread(own_mariadb.start)
            await until(lambda: without_redis.scenario(5) == FIVE, 10)
        save_scenario(engine, replace(FIVE, title="later"), 1, "kim", NOW)
        await until(lambda: rules.scenario(5) == replace(FIVE, title="later", version=2), 5)
