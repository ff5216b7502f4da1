"""The scenarios' promise under fire: one result for each request, in the topic, in Redis and in Parquet, whatever is
killed: the stream, MariaDB, Redis, Spark's driver and the broker, each with kill -9. A scenario changes between.

`make chaos` runs it; SCENARIO_REQUESTS and CHAOS_SEED change it.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from kafka.errors import KafkaError
from redis import Redis

from chaos.load import patient_producer
from chaos.tracked import SCENARIOS, Tracked, is_known, member_rows, requests, succeeds
from clickstream_local.broker import Broker
from clickstream_scenarios.database import connect
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario, save_scenario
from clickstream_scenarios.store_settings import DatabaseSettings
from kit.mariadb import mariadb
from kit.poll import eventually
from kit.processes import App, Apps
from kit.redis_server import redis_server
from kit.scenarios import ScenarioTopics, create_scenario_topics
from kit.topics import lag

PARTITIONS = 6
RATE = 1500
AWAY_S = 3.0
DEADLINE_S = 300.0
_MOST_WAITING = 20_000


class Load:
    """Sends the requests, `RATE` a second, each to the partition of its number; `sent` are in Kafka."""

    def __init__(self, topics: ScenarioTopics, wanted: Iterator[Tracked]) -> None:
        self.sent: list[Tracked] = []
        self._topics = topics
        self._wanted = wanted
        self._waiting = 0
        self._failure: KafkaError | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def start(self) -> None:
        self._thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until so many are sent, or all."""
        while self._thread.is_alive() and len(self.sent) < count:
            time.sleep(0.1)

    def finish(self) -> None:
        """Wait until all are sent."""
        self._thread.join()
        assert self._failure is None, self._failure

    def _run(self) -> None:
        producer = patient_producer(self._topics.bootstrap_servers)
        began = time.monotonic()
        for number, request in enumerate(self._wanted):
            while self._waiting > _MOST_WAITING or number > (time.monotonic() - began) * RATE:
                time.sleep(0.02)
            self._waiting += 1
            future = producer.send(
                self._topics.access_logs, request.record(time.time()), partition=request.number % PARTITIONS
            )
            future.add_callback(self._delivered, request)
            future.add_errback(self._failed)
        producer.flush(timeout=300)
        producer.close(timeout=5)

    def _delivered(self, request: Tracked, metadata: object) -> None:
        self._waiting -= 1
        self.sent.append(request)

    def _failed(self, error: KafkaError) -> None:
        self._failure = error


class KeptApp:
    """An app that is started again after it was killed."""

    def __init__(self, start: Callable[[], App]) -> None:
        self._start = start
        self.app = start()

    def kill(self) -> None:
        self.app.kill()
        self.app = self._start()


def prepare_database(url: str, folder: Path) -> None:
    """Make the tables, the members and the first versions."""
    file = folder / "members.csv"
    file.write_text("\n".join(member_rows()), encoding="utf-8")
    for arguments in (("migrate",), ("members", "import", str(file))):
        command = [sys.executable, "-m", "clickstream_scenarios.main", *arguments]
        subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=True)
    engine = connect(DatabaseSettings(url=url))
    for scenario_id in (1, 2):
        create_scenario(engine, read_scenario(SCENARIOS[scenario_id, 1]), "test", datetime.now(UTC))
    engine.dispose()


def change_rule(url: str) -> None:
    """Make the second version of scenario 1."""
    engine = connect(DatabaseSettings(url=url))
    save_scenario(engine, read_scenario(SCENARIOS[1, 2]), 1, "test", datetime.now(UTC))
    engine.dispose()


def numbers_of(found: list[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    """Results and successes of each scenario since its newest version began."""
    newest = {each: max(result["version"] for result in found if result["scenario_id"] == each) for each in (1, 2)}
    return {
        each: (len(successes), sum(successes))
        for each, version in newest.items()
        for successes in [[r["success"] for r in found if (r["scenario_id"], r["version"]) == (each, version)]]
    }


def minutes_of(found: list[dict[str, Any]]) -> dict[int, dict[str, tuple[int, int]]]:
    """Results and successes of each scenario by minute."""
    totals = Counter((each["scenario_id"], f"{each['timestamp'][:16]}Z") for each in found)
    successes = Counter((each["scenario_id"], f"{each['timestamp'][:16]}Z") for each in found if each["success"])
    return {
        scenario_id: {
            minute: (count, successes[key])
            for key in totals
            if key[0] == scenario_id
            for minute, count in [(key[1], totals[key])]
        }
        for scenario_id in (1, 2)
    }


def numbers_in_redis(redis: Redis) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for each in (1, 2):
        value = json.loads(redis.get(f"scenario:{each}:success_ratio") or b"{}")
        found[each] = (value.get("total_count", 0), value.get("success_count", 0))
        if found[each][0]:
            assert value["success_ratio"] == pytest.approx(found[each][1] / found[each][0])
    return found


def minutes_in_redis(redis: Redis) -> dict[int, dict[str, tuple[int, int]]]:
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for each in (1, 2):
        held: Any = redis.hgetall(f"scenario:{each}:minutes")
        values = {minute.decode(): json.loads(value) for minute, value in held.items()}
        found[each] = {minute: (value["total_count"], value["success_count"]) for minute, value in values.items()}
    return found


def in_parquet(folder: Path) -> list[tuple[Any, ...]]:
    """Scenario, version and success of each row, in order."""
    files = f"{folder}/year=*/month=*/day=*/hour=*/*.parquet"
    query = f"SELECT scenario_id, version, success FROM read_parquet('{files}') ORDER BY ALL"
    return duckdb.sql(query).fetchall()


@pytest.mark.skipif("CHAOS_FAULTS" not in os.environ, reason="the long round: make chaos")
def test_results_redis_and_parquet_equal_the_oracle_whatever_is_killed(
    own_broker: Broker, apps: Apps, spark_jars: Path, tmp_path: Path
) -> None:
    count = int(os.environ.get("SCENARIO_REQUESTS", "300000"))
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**9))
    draw = random.Random(seed)
    _say(f"CHAOS_SEED={seed} SCENARIO_REQUESTS={count}")
    with ExitStack() as stack:
        for name in ("mariadb", "redis"):
            (tmp_path / name).mkdir()
        database = stack.enter_context(mariadb(tmp_path / "mariadb"))
        store = stack.enter_context(redis_server(tmp_path / "redis"))
        url = database.make_database("scenarios")
        prepare_database(url, tmp_path)
        topics = create_scenario_topics(own_broker.bootstrap_servers, PARTITIONS)
        environ = {**topics.environ, "DATABASE_URL": url, "REDIS_URL": store.url}
        results_to = tmp_path / "results"
        stream = KeptApp(lambda: apps.start("clickstream_scenarios.main", environ=environ))
        driver = KeptApp(
            lambda: apps.start(
                "clickstream_statistics.main", environ=environ, RESULTS_TO=str(results_to), SPARK_JARS=str(spark_jars)
            )
        )
        for app in (stream.app, driver.app):
            app.wait_until_ready(120)

        def kill_database() -> None:
            database.kill()
            time.sleep(AWAY_S)
            database.start()

        def kill_redis() -> None:
            assert store.child is not None
            store.child.kill()
            time.sleep(AWAY_S)
            store.start()

        def kill_broker() -> None:
            own_broker.kill()
            own_broker.start()

        kills = {
            "the stream": stream.kill,
            "the database": kill_database,
            "Redis": kill_redis,
            "Spark's driver": driver.kill,
            "the broker": kill_broker,
        }
        wanted = list(requests(count, seed))
        load = Load(topics, iter(wanted))
        load.start()
        began = time.monotonic()
        order = draw.sample(sorted(kills), len(kills))
        change_after = draw.randrange(len(order))
        for number, name in enumerate(order):
            load.wait_for(int(len(wanted) * (number + draw.uniform(0.3, 1.0)) / (len(order) + 0.5)))
            kills[name]()
            _say(f"{time.monotonic() - began:7.1f} s  {name} killed ({len(load.sent)} requests)")
            if number == change_after:
                change_rule(url)
                _say(f"{time.monotonic() - began:7.1f} s  scenario 1 changed")
        load.finish()
        _say(f"{time.monotonic() - began:7.1f} s  all {len(load.sent)} records are sent")
        eventually(lambda: is_read(topics), DEADLINE_S, every=1)
        found = topics.read_results()
        assert_results(found, wanted)
        assert_dead_letters(topics, wanted)
        _say(f"{time.monotonic() - began:7.1f} s  {len(found)} results equal the oracle")
        rows = sorted((each["scenario_id"], each["version"], each["success"]) for each in found)

        def counted() -> bool:
            assert numbers_in_redis(store.client) == numbers_of(found)
            assert minutes_in_redis(store.client) == minutes_of(found)
            assert len(in_parquet(results_to)) == len(rows)
            return True

        eventually(counted, DEADLINE_S, every=2)
        assert in_parquet(results_to) == rows
        _say(f"{time.monotonic() - began:7.1f} s  Redis and Parquet equal the results: {numbers_of(found)}")
        for app in (stream.app, driver.app):
            app.stop()


def is_read(topics: ScenarioTopics) -> bool:
    """Whether the stream has read and committed everything."""
    return set(lag(topics.bootstrap_servers, topics.group_id, topics.access_logs).values()) == {0}


def assert_results(found: list[dict[str, Any]], wanted: list[Tracked]) -> None:
    """One result for each request, with what the oracle says of its version; both versions are there."""
    due = {each.number: each for each in wanted if each.becomes == "result"}
    numbers = [int(each["n"]) for each in found]
    assert len(numbers) == len(set(numbers)), f"{len(numbers) - len(set(numbers))} results are there twice"
    missing = due.keys() - set(numbers)
    assert not missing, f"{len(missing)} results are missing, such as that of request {min(missing)}"
    assert set(numbers) == due.keys()
    for each in found:
        request = due[int(each["n"])]
        assert each["scenario_id"] == request.scenario_id
        assert each["success"] == int(succeeds(request, each["version"])), (each, request)
        assert ("member_known" in each) != is_known(request.member), each
    assert {(each["scenario_id"], each["version"]) for each in found} == SCENARIOS.keys()


def assert_dead_letters(topics: ScenarioTopics, wanted: list[Tracked]) -> None:
    """One dead letter for each refused request."""
    reasons = Counter(each.header("reason") for each in topics.read(topics.dead_letters))
    due = Counter(each.becomes for each in wanted)
    assert reasons == {reason: due[reason] for reason in ("not_json", "unknown_scenario")}


def _say(line: str) -> None:
    print(line, flush=True)
