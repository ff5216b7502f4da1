import logging
from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from kafka import TopicPartition
from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata

from clickstream_consumer import connection as module
from clickstream_consumer.connection import Connection
from clickstream_consumer.settings import ConsumerSettings
from clickstream_core.settings import read_settings
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable
from clickstream_kafka.library_errors import LibraryErrors

Record = namedtuple("Record", ["timestamp", "partition", "offset"])
P0, P1, P2 = (TopicPartition("clickstream-metrics", number) for number in range(3))
STARTED_AT = 1_729_938_600_000
SASL = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "alice",
    "KAFKA_SASL_PASSWORD": "secret",
}


class FakeConsumer:
    """Stands for KafkaConsumer: takes the same arguments, returns and raises what the test scripted."""

    script: list[Any]
    refusal: Exception | None
    firsts: dict[TopicPartition, int]

    def __init__(self, **config: Any) -> None:
        self.config = config
        self.client = config["kafka_client"](bootstrap_servers=config["bootstrap_servers"])
        self.positions: dict[TopicPartition, int | str] = {}
        self.asked: list[str] = []
        self.listener: Any = None
        if self.refusal is not None:
            raise self.refusal

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self.listener = topics, listener

    def poll(self, timeout_ms: int) -> Any:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        self.asked.append("ends")
        return dict.fromkeys(partitions, 100)

    def offsets_for_times(self, times: dict[TopicPartition, int], timeout_ms: int) -> dict[TopicPartition, Any]:
        self.asked.append("times")
        assert set(times.values()) == {STARTED_AT}
        return {p: SimpleNamespace(offset=self.firsts[p]) if p in self.firsts else None for p in times}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.positions.update(dict.fromkeys(partitions, "beginning"))

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        raise GroupAuthorizationFailedError("metrics-consumer-group")


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, library_errors: LibraryErrors) -> Callable[..., tuple[Connection, Any]]:
    def connect(
        *script: Any, argv: tuple[str, ...] = (), firsts: dict[TopicPartition, int] | None = None, **environ: str
    ) -> tuple[Connection, Any]:
        scripted = {"script": list(script), "refusal": None, "firsts": firsts or {}}
        monkeypatch.setattr(module, "KafkaConsumer", type("Scripted", (FakeConsumer,), scripted))
        settings = read_settings(ConsumerSettings, prog="test", description="", argv=argv, environ=environ)
        connection = Connection(settings, STARTED_AT, library_errors)
        return connection, connection._consumer

    return connect


Connect = Callable[..., tuple[Connection, Any]]


def test_only_committed_records_are_read_and_no_topic_is_created(connect: Connect) -> None:
    _, consumer = connect()
    assert consumer.config["isolation_level"] == "read_committed"
    assert consumer.config["group_id"] == "metrics-consumer-group"
    assert consumer.topics == ["clickstream-metrics"]
    assert consumer.client.cluster.metadata_request().allow_auto_topic_creation is False


def test_partitions_are_merged_by_time_and_keep_their_own_order(connect: Connect) -> None:
    first = [Record(10, 0, 0), Record(30, 0, 1), Record(20, 0, 2)]
    second = [Record(15, 1, 0), Record(40, 1, 1)]
    connection, _ = connect({P0: first, P1: second})
    merged = connection.poll(500)
    assert merged[0] == first[0]
    assert [record for record in merged if record.partition == 0] == first
    assert [record for record in merged if record.partition == 1] == second
    assert merged[1] == second[0]


def test_without_a_commit_reading_begins_at_the_first_record_since_the_start(connect: Connect) -> None:
    connection, consumer = connect(NoOffsetForPartitionError({P0, P1}), firsts={P1: 97})
    assert connection.poll(500) == []
    assert consumer.positions == {P0: 100, P1: 97}
    assert consumer.asked == ["ends", "times"]


def test_an_offset_that_is_gone_continues_at_the_oldest_record(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connection, consumer = connect(OffsetOutOfRangeError({P2: 5}))
    assert connection.poll(500) == []
    assert consumer.positions == {P2: "beginning"}
    assert "Partition 2 of clickstream-metrics no longer holds the committed offset" in caplog.text


def test_after_a_truncated_log_reading_continues_where_it_was_cut(connect: Connect) -> None:
    connection, consumer = connect(LogTruncationError({P0: OffsetAndMetadata(17, "", 3), P1: None}))
    assert connection.poll(500) == []
    assert consumer.positions == {P0: 17, P1: "beginning"}


def test_a_broker_that_cannot_find_a_time_has_all_older_records_left_out(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, younger = Record(STARTED_AT - 1, 0, 0), Record(STARTED_AT, 0, 1)
    connection, consumer = connect(NoOffsetForPartitionError({P0, P1}), {P0: [older, younger]})
    monkeypatch.setattr(connection, "is_connected", lambda: True)
    monkeypatch.setattr(consumer, "offsets_for_times", Mock(side_effect=KafkaTimeoutError("damaged")))
    assert connection.poll(500) == []
    assert consumer.positions == {P0: "beginning", P1: "beginning"}
    assert connection.poll(500) == [younger]


def test_from_beginning_rewinds_each_partition_once(connect: Connect) -> None:
    _, consumer = connect(argv=("--from-beginning",))
    consumer.listener.on_partitions_assigned({P0, P1})
    assert consumer.positions == {P0: "beginning", P1: "beginning"}
    consumer.positions.clear()
    consumer.listener.on_partitions_revoked({P0, P1})
    consumer.listener.on_partitions_assigned({P0, P2})
    assert consumer.positions == {P2: "beginning"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SaslAuthenticationFailedError("wrong"), KafkaRefused),
        (GroupAuthorizationFailedError("group"), KafkaRefused),
        (KafkaTimeoutError("slow"), KafkaUnavailable),
        (KafkaConnectionError("gone"), KafkaUnavailable),
    ],
)
def test_a_refusal_is_distinguished_from_an_unreachable_kafka(
    connect: Connect, error: Exception, expected: type[Exception]
) -> None:
    connection, _ = connect(error)
    with pytest.raises(expected):
        connection.poll(500)


def test_a_timeout_is_explained_by_the_librarys_log(connect: Connect) -> None:
    connection, _ = connect(KafkaTimeoutError("Unable to bootstrap"))
    logging.getLogger("kafka.net.manager").warning("Bootstrap failed: %s", KafkaConnectionError("111 ECONNREFUSED"))
    logging.getLogger("kafka.net.manager").error("Bootstrap failed: %s", KafkaTimeoutError("Unable to bootstrap"))
    with pytest.raises(KafkaUnavailable, match="111 ECONNREFUSED"):
        connection.poll(500)


def test_a_refusal_takes_precedence_over_its_consequences(connect: Connect) -> None:
    connection, _ = connect(KafkaTimeoutError("Unable to bootstrap"), **SASL)
    library = logging.getLogger("kafka.net.manager")
    library.error("Bootstrap failed: %s", SaslAuthenticationFailedError("invalid credentials"))
    library.warning("Bootstrap failed: %s", KafkaConnectionError("socket disconnected"))
    with pytest.raises(KafkaRefused, match="invalid credentials; check KAFKA_SASL_USERNAME and its password"):
        connection.poll(500)


def test_a_refusal_is_forgotten_when_records_arrive_again(connect: Connect) -> None:
    connection, _ = connect({P0: [Record(10, 0, 0)]})
    library = logging.getLogger("kafka.net.manager")
    library.error("Bootstrap failed: %s", SaslAuthenticationFailedError("invalid credentials"))
    connection.poll(500)
    library.warning("Bootstrap failed: %s", KafkaConnectionError("111 ECONNREFUSED"))
    assert connection.last_failure() == "KafkaConnectionError: 111 ECONNREFUSED"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (GroupAuthorizationFailedError("metrics-consumer-group"), "grant it Read on group metrics-consumer-group"),
        (TopicAuthorizationFailedError({"a"}), "grant it Read and Describe on topic clickstream-metrics"),
    ],
)
def test_a_missing_right_is_named_with_what_to_do(connect: Connect, error: Exception, advice: str) -> None:
    connection, _ = connect(error)
    with pytest.raises(KafkaRefused, match=f"; the user lacks a permission: {advice}"):
        connection.poll(500)


def test_a_closed_connection_with_a_password_may_be_the_password(connect: Connect) -> None:
    connection, _ = connect(**SASL)
    logging.getLogger("kafka.net.transport").error("Abort (%s)", KafkaConnectionError("socket disconnected"))
    assert connection.last_failure().endswith("the user name or password may be wrong")


def test_a_failed_farewell_is_logged_and_the_client_closed(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    connection, consumer = connect()
    assert not connection.is_connected()
    connection.close()
    assert "Could not leave the consumer group" in caplog.text
    with pytest.raises(RuntimeError, match="closed"):
        consumer.client._net.run(lambda: None)
