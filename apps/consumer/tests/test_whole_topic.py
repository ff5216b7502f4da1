from collections import namedtuple
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, NoOffsetForPartitionError

from clickstream_consumer import connection
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.whole_topic import WholeTopic
from clickstream_core.settings import read_settings
from clickstream_kafka.errors import KafkaUnavailable
from clickstream_kafka.library_errors import LibraryErrors

Record = namedtuple("Record", ["timestamp", "partition", "offset"])
TOPIC = "clickstream-metrics"
WEEK_AGO = 1_789_395_210_000


class FakeConsumer:
    """Stands for KafkaConsumer with manual assignment: `logs` holds each partition's records."""

    logs: dict[TopicPartition, list[Record]]
    failures: list[Exception]

    def __init__(self, **config: Any) -> None:
        self.config = config
        self.client = config["kafka_client"](bootstrap_servers=config["bootstrap_servers"])
        self.assigned: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = set(partitions)

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        if self.failures:
            raise self.failures.pop(0)
        if missing := self.assigned - self.positions.keys():
            raise NoOffsetForPartitionError(missing)
        found = {each: self.logs[each][self.positions[each] :] for each in self.assigned}
        self.positions |= {each: len(self.logs[each]) for each in self.assigned}
        return found

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        return {each: len(self.logs[each]) for each in partitions}

    def offsets_for_times(self, times: dict[TopicPartition, int], timeout_ms: int) -> dict[TopicPartition, Any]:
        assert set(times.values()) == {WEEK_AGO}
        return {
            each: next((SimpleNamespace(offset=r.offset) for r in self.logs[each] if r.timestamp >= WEEK_AGO), None)
            for each in times
        }

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def position(self, partition: TopicPartition, timeout_ms: int) -> int:
        return self.positions[partition]


@pytest.fixture
def consumer_of(monkeypatch: pytest.MonkeyPatch, library_errors: LibraryErrors) -> Iterator[Any]:
    """Connects to a topic with that many records in each partition, the last two of them younger than a week."""
    opened: list[WholeTopic] = []

    def consumer_of(*records: int) -> tuple[WholeTopic, Any]:
        scripted: dict[str, Any] = {"logs": {}, "failures": []}
        monkeypatch.setattr(connection, "KafkaConsumer", type("Scripted", (FakeConsumer,), scripted))
        settings = read_settings(ConsumerSettings, prog="test", description="", argv=(), environ={})
        topic = WholeTopic(settings, WEEK_AGO, library_errors)
        opened.append(topic)
        grow(topic, *records)
        return topic, topic._consumer

    yield consumer_of
    for topic in opened:
        topic._client.close()


def grow(topic: WholeTopic, *records: int) -> None:
    """Let the topic have these partitions."""
    for number, count in enumerate(records):
        log = [Record(WEEK_AGO + (at - count + 2) * 1000, number, at) for at in range(count)]
        topic._consumer.logs[TopicPartition(TOPIC, number)] = log
    topic._client.cluster._partitions[TOPIC] = dict.fromkeys(range(len(records)))


def test_all_partitions_are_read_from_a_week_ago_in_no_group(consumer_of: Any) -> None:
    topic, consumer = consumer_of(5, 0, 3)
    assert consumer.config["group_id"] is None
    assert consumer.config["enable_auto_commit"] is False
    assert consumer.config["isolation_level"] == "read_committed"
    assert topic.poll(0) == [], "the library asks where to begin"
    assert not topic.is_member(), "not caught up yet"
    records = topic.poll(0)
    assert [each.timestamp for each in records] == [WEEK_AGO, WEEK_AGO, WEEK_AGO + 1000, WEEK_AGO + 1000]
    assert sorted((each.partition, each.offset) for each in records) == [(0, 3), (0, 4), (2, 1), (2, 2)]
    assert topic.is_member()


def test_partitions_that_are_added_are_read_too_and_the_others_go_on(consumer_of: Any) -> None:
    topic, _ = consumer_of(2)
    topic.poll(0)
    assert len(topic.poll(0)) == 2
    grow(topic, 2, 1)
    topic.poll(0)
    assert [(each.partition, each.offset) for each in topic.poll(0)] == [(1, 0)]
    assert topic.is_member(), "once caught up, it stays so"


def test_a_topic_that_does_not_exist_is_waited_for(consumer_of: Any) -> None:
    topic, _ = consumer_of()
    del topic._client.cluster._partitions[TOPIC]
    topic._client.poll = lambda timeout_ms: None
    assert topic.poll(0) == []
    assert not topic.has_topic()
    assert topic.is_member(), "there is nothing to catch up with"


def test_the_librarys_own_thread_may_look_for_the_topic(consumer_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    topic, _ = consumer_of()
    waited: list[float] = []

    def poll(timeout_ms: int) -> None:
        raise RuntimeError("Concurrent access to net.poll!")

    monkeypatch.setattr(topic._client, "poll", poll)
    monkeypatch.setattr("clickstream_consumer.whole_topic.time.sleep", waited.append)
    assert topic.poll(200) == []
    assert waited == [0.2]


def test_kafka_may_go_away_while_the_history_is_read(consumer_of: Any) -> None:
    topic, consumer = consumer_of(4)
    consumer.failures.append(KafkaTimeoutError("slow"))
    with pytest.raises(KafkaUnavailable):
        topic.poll(0)
    topic.poll(0)
    assert len(topic.poll(0)) == 2
