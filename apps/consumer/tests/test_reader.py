import json
import logging
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from clickstream_consumer.instruments import Instruments
from clickstream_consumer.reader import MetricsReader
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.status import Condition
from clickstream_core.settings import read_settings
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

Record = namedtuple("Record", ["value", "partition", "offset", "headers"], defaults=[()])


@dataclass
class FakeConnection:
    """A connection whose answers the test sets; `script` holds what the next polls return or raise."""

    script: list[list[Record] | Exception] = field(default_factory=list)
    connected: bool = True
    member: bool = True
    topic: bool = True
    allowed: bool = True
    closed: bool = False

    def poll(self, timeout_ms: int) -> list[Record]:
        step = self.script.pop(0) if self.script else []
        if isinstance(step, Exception):
            raise step
        return step

    def is_connected(self) -> bool:
        return self.connected

    def last_failure(self) -> str:
        return "111 ECONNREFUSED"

    def is_member(self) -> bool:
        return self.member

    def has_topic(self) -> bool:
        return self.topic

    def may_read_topic(self) -> bool:
        return self.allowed

    def close(self) -> None:
        self.closed = True


@dataclass
class Kafka:
    """What `connect` meets, the clock, and the reader under test."""

    now: float = 1000.0
    attempts: list[FakeConnection | Exception] = field(default_factory=list)
    connection: FakeConnection = field(default_factory=FakeConnection)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def connect(self) -> FakeConnection:
        attempt = self.attempts.pop(0) if self.attempts else self.connection
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def reader(self, **environ: str) -> MetricsReader:
        settings = read_settings(ConsumerSettings, prog="test", description="", argv=[], environ=environ)
        self.registry = CollectorRegistry()
        return MetricsReader(settings, cast(Any, self.connect), Instruments(self.registry), self.wait, lambda: self.now)


@pytest.fixture
def kafka() -> Kafka:
    return Kafka()


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_results_have_their_position_and_a_running_count(kafka: Kafka, reference: WindowMetrics) -> None:
    value = encode_window_metrics(reference)
    kafka.connection.script = [[Record(value, 1, 42), Record(value, 2, 7)], [Record(value, 0, 3)]]
    reader = kafka.reader()
    results = [*reader.poll(), *reader.poll()]
    assert [(result.partition, result.offset, result.consumed) for result in results] == [
        (1, 42, 1),
        (2, 7, 2),
        (0, 3, 3),
    ]
    assert results[0].metrics == reference
    assert reader.status.ready


def test_results_of_other_groups_processors_are_passed_over(kafka: Kafka, reference: WindowMetrics) -> None:
    value = encode_window_metrics(reference)
    of_default, of_second = [("group", b"clickstream-processor")], [("group", b"second")]
    kafka.connection.script = [
        [
            Record(value, 1, 5, of_second),
            Record(value, 1, 6),
            Record(value, 1, 7, of_default),
            Record(b"?", 1, 8, of_second),
        ]
    ] * 2
    assert [result.offset for result in kafka.reader().poll()] == [6, 7]
    assert [result.offset for result in kafka.reader(PROCESSOR_GROUP="second").poll()] == [5]
    assert kafka.registry.get_sample_value("clickstream_consumer_malformed_total") == 1


def test_a_poll_that_returns_at_once_without_records_is_followed_by_a_pause(kafka: Kafka) -> None:
    reader = kafka.reader()
    begun = kafka.now
    for _ in range(100):
        assert reader.poll() == []
    assert kafka.now - begun == pytest.approx(10)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"nope",
        b"[1]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"window_start": 5}',
        json.dumps({"window_start": "soon", "window_end": "later"}).encode(),
    ],
)
def test_a_malformed_record_is_reported_and_skipped(
    kafka: Kafka, reference: WindowMetrics, logged: Callable[[], list[str]], value: bytes | None
) -> None:
    good = Record(encode_window_metrics(reference), 1, 6)
    kafka.connection.script = [[Record(value, 1, 5), good]]
    results = kafka.reader().poll()
    assert [(result.offset, result.consumed) for result in results] == [(6, 1)]
    assert [line.startswith("Skipped a malformed record, partition 1, offset 5: ") for line in logged()] == [True]
    assert kafka.registry.get_sample_value("clickstream_consumer_malformed_total") == 1


def test_a_result_has_its_receipt_and_is_shown_without_one_that_is_malformed(
    kafka: Kafka, reference: WindowMetrics, logged: Callable[[], list[str]]
) -> None:
    value = encode_window_metrics(reference)
    receipt = b'{"0":{"first":1,"last":2,"counted":2,"refused":{}}}'
    group = ("group", b"clickstream-processor")
    kafka.connection.script = [
        [
            Record(value, 1, 5, [group, ("receipt", receipt)]),
            Record(value, 1, 6, [group]),
            Record(value, 1, 7, [group, ("receipt", b"\x1b[31m")]),
        ]
    ]
    assert [result.receipt for result in kafka.reader().poll()] == [receipt, None, None]
    assert [line.startswith("Left out a malformed receipt, partition 1, offset 7: ") for line in logged()] == [True]
    assert kafka.registry.get_sample_value("clickstream_consumer_malformed_total") == 0


def test_a_record_of_the_right_types_and_impossible_numbers_is_skipped(
    kafka: Kafka, reference: WindowMetrics, logged: Callable[[], list[str]]
) -> None:
    value = encode_window_metrics(reference).replace(b'"total_events":3000', b'"total_events":' + b"9" * 400)
    kafka.connection.script = [[Record(value, 1, 5)]]
    assert kafka.reader().poll() == []
    assert "partition 1, offset 5" in logged()[0]
    assert "total_events" in logged()[0]


def test_no_escape_sequence_of_a_record_reaches_the_log(
    kafka: Kafka, reference: WindowMetrics, logged: Callable[[], list[str]]
) -> None:
    start = encode_window_metrics(reference).replace(b"2024-10-26T10:30:00Z", b"\\u001b[31m")
    kafka.connection.script = [[Record(start, 0, 0)]]
    kafka.reader().poll()
    assert logged()[0].isprintable()


def test_an_outage_is_logged_at_its_start_and_end(kafka: Kafka, logged: Callable[[], list[str]]) -> None:
    kafka.attempts = [KafkaUnavailable("111 ECONNREFUSED") for _ in range(5)]
    reader = kafka.reader()
    for _ in range(5):
        assert reader.poll() == []
        assert reader.status.condition is Condition.AWAY
    reader.poll()
    assert reader.status.ready
    assert logged() == [
        "Kafka at localhost:9092 does not answer (111 ECONNREFUSED); trying again",
        "Reading clickstream-metrics; it was unavailable for 5 s",
    ]


def test_alternating_failures_are_each_logged_once_in_30_seconds(kafka: Kafka, logged: Callable[[], list[str]]) -> None:
    kafka.attempts = [error for _ in range(16) for error in (KafkaRefused("no right"), KafkaUnavailable("closed"))]
    reader = kafka.reader()
    for _ in range(30):
        reader.poll()
    assert len(logged()) == 2
    for _ in range(2):
        reader.poll()
    assert len(logged()) == 4


def test_a_connection_lost_for_a_moment_is_no_outage(kafka: Kafka, logged: Callable[[], list[str]]) -> None:
    reader = kafka.reader()
    reader.poll()
    kafka.connection.connected = False
    kafka.now += 2.9
    reader.poll()
    assert reader.status.ready
    kafka.now += 0.2
    reader.poll()
    assert reader.status.condition is Condition.AWAY
    assert logged() == ["Kafka at localhost:9092 does not answer (111 ECONNREFUSED); trying again"]


def test_joining_the_group_is_neither_ready_nor_an_outage(kafka: Kafka, logged: Callable[[], list[str]]) -> None:
    kafka.connection.member = False
    reader = kafka.reader()
    reader.poll()
    assert not reader.status.ready
    assert "metrics-consumer-group" in reader.status.why
    assert logged() == []


def test_a_missing_topic_is_named_once_the_metadata_had_time_to_come(
    kafka: Kafka, logged: Callable[[], list[str]]
) -> None:
    kafka.connection.topic = False
    reader = kafka.reader()
    conditions = []
    for _ in range(2):
        reader.poll()
        conditions.append(reader.status.condition)
        kafka.now += 3.1
    assert conditions == [Condition.JOINING, Condition.NO_TOPIC]
    assert logged() == ["topic clickstream-metrics does not exist; waiting for it"]


def test_a_topic_that_is_deleted_is_named_though_the_group_waits_for_it_too(
    kafka: Kafka, logged: Callable[[], list[str]]
) -> None:
    reader = kafka.reader()
    reader.poll()
    assert reader.status.ready
    kafka.connection.topic = kafka.connection.member = False
    kafka.now += 3.1
    reader.poll()
    assert reader.status.condition is Condition.NO_TOPIC
    assert logged() == ["topic clickstream-metrics does not exist; waiting for it"]


def test_a_forbidden_topic_is_a_refusal(kafka: Kafka) -> None:
    kafka.connection.allowed = False
    reader = kafka.reader()
    reader.poll()
    assert reader.status.condition is Condition.REFUSED
    assert "clickstream-metrics" in reader.status.why


def test_after_a_refusal_a_new_connection_is_made(kafka: Kafka) -> None:
    refused = FakeConnection([KafkaRefused("SaslAuthenticationFailedError")])
    kafka.attempts = [refused, kafka.connection]
    reader = kafka.reader()
    reader.poll()
    assert reader.status.condition is Condition.REFUSED
    assert refused.closed
    reader.poll()
    assert reader.status.ready


def test_a_passing_failure_keeps_the_connection(kafka: Kafka) -> None:
    kafka.connection.script = [[], KafkaUnavailable("coordinator is loading"), []]
    reader = kafka.reader()
    conditions = []
    for _ in range(3):
        reader.poll()
        conditions.append(reader.status.condition)
    assert conditions == [Condition.READY, Condition.AWAY, Condition.READY]
    assert not kafka.connection.closed


def test_closing_closes_the_connection_and_can_be_done_without_one(kafka: Kafka) -> None:
    reader = kafka.reader()
    reader.close()
    reader.poll()
    reader.close()
    assert kafka.connection.closed
