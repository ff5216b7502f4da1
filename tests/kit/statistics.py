"""The scenarios' statistics under test: results to send, the job, and what Parquet and Redis must have of a topic."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from kafka import KafkaProducer
from redis import Redis

from kit.processes import App, Apps
from kit.scenarios import ScenarioTopics
from kit.topics import Message

MALFORMED = (
    b"not json",
    b"",
    b'[{"scenario_id":1,"success":1}]',
    b'{"scenario_id":1,"success":1,"date":"2026-11-27 10:00:00","timestamp":"2026-11-27T10:00:00.000Z","version":1',
    b'{"scenario_id":"one","success":1,"date":"","timestamp":"2026-11-27T10:00:00.000Z","version":1}',
    b'{"scenario_id":1,"success":2,"date":"","timestamp":"2026-11-27T10:00:00.000Z","version":1}',
    b'{"scenario_id":1,"success":1,"date":"","timestamp":"soon","version":1}',
    b'{"scenario_id":1,"success":1,"date":"","timestamp":"2026-11-27T10:00:00.000Z"}',
    b"\xff\xfe{}",
)
"""Values that are no results."""

Row = tuple[int, int, int, int, int]
"""Partition, offset, scenario, version and success of a stored result."""


def result(scenario: int = 5, version: int = 1, success: int = 1, at: datetime | None = None, **kept: Any) -> bytes:
    """A result as the scenarios write it; now unless `at` is given."""
    moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"success": success, "scenario_id": scenario, "date": moment[:19].replace("T", " ")}
    return json.dumps({**kept, **fields, "timestamp": moment, "version": version}, ensure_ascii=False).encode()


def results(count: int, seed: int) -> list[bytes]:
    """Results of three scenarios and three versions in the last ten minutes, with some that are malformed."""
    chance, now = random.Random(seed), datetime.now(UTC)
    made = [
        result(
            chance.randint(1, 3),
            min(3, 1 + number * 3 // count) if chance.random() < 0.95 else 1,
            int(chance.random() < 0.3),
            now - timedelta(seconds=chance.uniform(0, 600)),
            memberId=str(number),
        )
        for number in range(count)
    ]
    for value in MALFORMED:
        made.insert(chance.randrange(count), value)
    return made


def send_transactions(topics: ScenarioTopics, values: Iterable[bytes], transactional_id: str, size: int = 200) -> None:
    """Send values as the scenarios do, in transactions; each third one of `size` is tried and aborted first."""
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, transactional_id=transactional_id, acks="all")
    try:
        producer.init_transactions()
        left = list(values)
        for number in range(0, len(left), size):
            for commits in (False, True) if number // size % 3 == 0 else (True,):
                producer.begin_transaction()
                for value in left[number : number + size]:
                    producer.send(topics.results, value=value)
                producer.flush()
                if commits:
                    producer.commit_transaction()
                else:
                    producer.abort_transaction()
    finally:
        producer.close(timeout=5)


def start_statistics(apps: Apps, topics: ScenarioTopics, jars: Path, folder: Path, redis: str, **settings: str) -> App:
    """Start the job with its Parquet in a folder."""
    options = folder.parent / "spark.properties"
    # Compiled code that is good enough sooner.
    options.write_text("spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC\n")
    given = {
        "RESULTS_TO": str(folder),
        "REDIS_URL": redis,
        "SPARK_JARS": str(jars),
        "SPARK_CONF_FILE": str(options),
        "TRIGGER_INTERVAL": "1s",
        **settings,
    }
    return apps.start("clickstream_statistics.main", environ=topics.environ, **given)


def stored(folder: Path) -> list[Row]:
    """All rows that a reader of `**/*.parquet` finds, in order."""
    if not any(folder.glob("year=*/**/*.parquet")):
        return []
    found: list[Row] = duckdb.sql(
        'SELECT "partition", "offset", scenario_id, version, success'
        f" FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true) ORDER BY ALL"
    ).fetchall()
    return found


def expected_rows(messages: Iterable[Message]) -> list[Row]:
    """The rows that a topic's records must become."""
    rows = []
    for message in messages:
        if message.value in MALFORMED:
            continue
        value = json.loads(message.value or b"")
        rows.append((message.partition, message.offset, value["scenario_id"], value["version"], value["success"]))
    return sorted(rows)


def expected_numbers(messages: Iterable[Message]) -> dict[str, tuple[int, int]]:
    """Total and success by key of Redis: of the newest version, and by minute of all versions."""
    values = [json.loads(each.value or b"") for each in messages if each.value not in MALFORMED]
    newest: dict[int, int] = {}
    for value in values:
        newest[value["scenario_id"]] = max(newest.get(value["scenario_id"], 0), value["version"])
    found: dict[str, tuple[int, int]] = {}
    for value in values:
        keys = [f"{value['scenario_id']} {value['timestamp'][:16]}Z"]
        if value["version"] == newest[value["scenario_id"]]:
            keys.append(str(value["scenario_id"]))
        for key in keys:
            total, success = found.get(key, (0, 0))
            found[key] = (total + 1, success + value["success"])
    return found


def numbers(redis: Redis) -> dict[str, tuple[int, int]]:
    """The same as Redis has it."""
    found = {}
    held: Any = redis
    for key in sorted(held.keys("scenario:*")):
        scenario, kind = key.decode().split(":")[1:]
        if kind == "success_ratio":
            found[scenario] = _counted(held.get(key))
        else:
            found |= {f"{scenario} {minute.decode()}": _counted(value) for minute, value in held.hgetall(key).items()}
    return found


def _counted(value: Any) -> tuple[int, int]:
    counted = json.loads(value)
    if "success_ratio" in counted:
        assert counted["success_ratio"] == counted["success_count"] / counted["total_count"]
    return counted["total_count"], counted["success_count"]
