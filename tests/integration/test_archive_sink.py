"""The archive's sink end to end: real Kafka and Kafka Connect, on S3, HDFS and in a folder, killed between its commits.

`make chaos` runs the long round (tests/chaos/test_archive.py).
"""

import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer

from clickstream_local.archive_place import Place, users_place
from clickstream_local.broker import Broker
from clickstream_local.topics import clickstream_topics, create_missing
from kit.events import event_value, invalid_values, valid_values
from kit.hdfs import hadoop_jars, hdfs
from kit.poll import eventually
from kit.seaweedfs import seaweedfs
from kit.sink import REFUSED, RawTable, Sink, assert_archived_exactly_once, everything
from kit.topics import Message, PipelineTopics, ToSend, create_topics, read_all, send

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120
WEB_LOG = b'64.79.193.226 - - [27/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 12'


@pytest.fixture
def topics(own_broker: Broker) -> PipelineTopics:
    topics = create_topics(own_broker.bootstrap_servers)
    names = (topics.events, topics.metrics, topics.partials, topics.dead_letters)
    create_missing({"bootstrap_servers": [own_broker.bootstrap_servers]}, clickstream_topics(*names))  # web_logs too
    return topics


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with seaweedfs(tmp_path / "s3") as place:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, place.environ[name])
        yield place


def events(draw: random.Random, count: int) -> list[ToSend]:
    now = datetime.now(UTC)
    return [
        ToSend(event_value(now, user_id=f"user_{user}"), key=f"user_{user}".encode())
        for user in (draw.randrange(1000) for _ in range(count))
    ]


def malformed() -> list[ToSend]:
    """Every kind of value that the pipeline knows, and records that only odd clients write."""
    now = datetime.now(UTC)
    values = [each.value for each in (*valid_values(now), *invalid_values(now))]
    return [
        *(ToSend(value, b"a key" if value is None else None, number % 6) for number, value in enumerate(values)),
        ToSend(b"", b""),
        ToSend(b"\x00\xff" * 50, b"\xff\xfe"),
        ToSend(b"of 1990", timestamp=int(datetime(1990, 1, 1, tzinfo=UTC).timestamp() * 1000)),
        ToSend(b"of last year", timestamp=int((now - timedelta(days=365)).timestamp() * 1000)),
        ToSend(
            b"headers", headers=(("reason", b"\xff"), ("reason", b"twice"), ("", b""), ("\u00fc" * 100, b"x" * 10_000))
        ),
    ]


def dead_letters(count: int) -> list[ToSend]:
    fields = {
        "reason": b"not_json",
        "error": "ungültig: \U0001f600".encode(),
        "source-topic": b"clickstream-events",
        "app": b"x",
    }
    found = []
    for number in range(count):
        place = {"source-partition": str(number % 6), "source-offset": str(number)}
        headers = (*fields.items(), *((name, value.encode()) for name, value in place.items()))
        found.append(ToSend(b"no json %d" % number if number % 5 else None, b"key", headers=headers))
    return found


def abort(topics: PipelineTopics, values: Sequence[bytes]) -> None:
    """Write records that are never committed; their offsets stay empty."""
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, transactional_id=topics.group_id)
    producer.init_transactions()
    producer.begin_transaction()
    for value in values:
        producer.send(topics.events, value=value, partition=0).get(10)
    producer.abort_transaction()
    producer.close()


def test_each_record_is_archived_exactly_once_while_the_worker_is_killed(
    topics: PipelineTopics, s3: Place, java: Path, connect_jars: Path, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    draw, servers, table = random.Random(seed), topics.bootstrap_servers, RawTable(s3)
    send(servers, topics.events, [*events(draw, 1500), *malformed()])
    send(servers, topics.dead_letters, dead_letters(40))
    send(servers, topics.metrics, [ToSend(b"{}", headers=(("group", b"a"), ("receipt", b'{"0":{"first":1}}')))] * 5)
    send(servers, "web_logs", [ToSend(WEB_LOG)] * 20)
    abort(topics, [b"aborted"] * 3)

    with Sink(tmp_path / "connect", topics, s3, java, connect_jars) as sink:
        for _ in range(2):
            commits, waiting = table.commits, time.monotonic() + draw.uniform(0, 3)
            send(servers, topics.events, events(draw, 100))  # what the kill before left uncommitted may be nothing

            def committed_or_not_yet(commits: int = commits, waiting: float = waiting) -> bool:
                sink.tend()
                assert table.commits > commits, f"{table.commits} commits: {sink.said}\n{sink.log()}"
                return time.monotonic() > waiting

            eventually(committed_or_not_yet, DEADLINE_S, every=0.3)
            send(servers, topics.events, events(draw, 1000))
            time.sleep(draw.uniform(0, 3))  # the kill's place between two commits
            sink.kill()
        twice = ToSend(b"a header twice", headers=(("reason", b"a"), ("reason", b"b")))
        ((partition, offset),) = send(servers, topics.dead_letters, [twice])
        expected = [
            each
            for each in everything(topics, "web_logs")
            if (each.topic, each.partition, each.offset) != (topics.dead_letters, partition, offset)
        ]

        def all_archived() -> bool:
            sink.tend()
            assert table.count >= len(expected), f"{table.count} of {len(expected)}: {sink.said}\n{sink.log()}"
            return True

        def refused_ones() -> list[Message]:
            sink.tend()  # all may have been archived before the worker was killed
            return read_all(servers, REFUSED)

        eventually(all_archived, DEADLINE_S, every=0.5)
        refused = eventually(refused_ones, DEADLINE_S, every=0.5)

    assert_archived_exactly_once(table.rows(), expected, (topics.metrics, topics.dead_letters))
    assert [each.value for each in refused] == [b"a header twice"]
    assert sum("killed by SIGKILL" in line for line in sink.said) == 2


@pytest.mark.parametrize("where", ["hdfs", "folder"])
def test_hdfs_and_folders_need_no_catalog(
    where: str, topics: PipelineTopics, java: Path, connect_jars: Path, tmp_path: Path
) -> None:
    send(topics.bootstrap_servers, topics.events, [*events(random.Random(1), 300), *malformed()])
    send(topics.bootstrap_servers, topics.dead_letters, dead_letters(10))
    if where == "folder":
        assert_filled(users_place(f"file://{tmp_path}/an archive", {}), topics, java, connect_jars, tmp_path)
        return
    with hdfs(tmp_path / "hdfs", java, hadoop_jars(ROOT / ".local" / "hadoop")) as server:
        place = users_place(f"{server.address}/clickstream-archive", {})
        assert_filled(place, topics, java, connect_jars, tmp_path)


def assert_filled(place: Place, topics: PipelineTopics, java: Path, connect_jars: Path, tmp_path: Path) -> None:
    """The sink archives what the topics hold; after a kill it goes on with what comes then."""
    table = RawTable(place)
    with Sink(tmp_path / "connect", topics, place, java, connect_jars) as sink:

        def all_archived() -> bool:
            sink.tend()
            expected = everything(topics)
            assert table.count >= len(expected), f"{table.count} of {len(expected)}: {sink.said}\n{sink.log()}"
            return True

        eventually(all_archived, DEADLINE_S, every=0.5)
        sink.kill()
        send(topics.bootstrap_servers, topics.events, events(random.Random(2), 100))
        eventually(all_archived, DEADLINE_S, every=0.5)
    assert_archived_exactly_once(table.rows(), everything(topics), (topics.metrics, topics.dead_letters))
