"""Events on their way to Kafka, with a client that answers when the test says so."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from clickstream_kafka.library_errors import LibraryErrors
from clickstream_producer.kafka_client import Producer
from clickstream_producer.progress import LATENCY_BOUNDS_S, Condition
from clickstream_producer.sender import Sender, in_flight_bound


class Clock:
    """A clock that stands still until it is moved; in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


class FakeFuture:
    """What `send` returns; the test completes it."""

    def __init__(self) -> None:
        self.acknowledge: Callable[[], None]
        self.refuse: Callable[[BaseException], None]

    def add_callback(self, call: Callable[..., None], *args: Any) -> None:
        self.acknowledge = lambda: call(*args, SimpleNamespace(partition=3, offset=1234))

    def add_errback(self, call: Callable[[BaseException], None]) -> None:
        self.refuse = call


class FakeProducer:
    """A Kafka client without Kafka."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes]] = []
        self.futures: list[FakeFuture] = []
        self.topic_exists = True
        self.raises: Exception | None = None
        self.ended = ""

    def send(self, topic: str, *, value: bytes, key: bytes | None) -> FakeFuture:
        if self.raises is not None:
            raise self.raises
        self.sent.append((topic, key, value))
        self.futures.append(FakeFuture())
        return self.futures[-1]

    def knows_topic(self, topic: str) -> bool:
        return self.topic_exists

    def flush(self, timeout: float) -> None:
        raise KafkaTimeoutError("still in flight")

    def abandon(self) -> None:
        self.ended = "abandoned"

    def close(self, timeout: float) -> None:
        self.ended = "closed"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def sender(producer: FakeProducer, clock: Clock) -> Sender:
    return Sender(cast(Producer, producer), "clicks", LibraryErrors(), bound=5, clock=clock, max_bytes=100)


@pytest.mark.parametrize(("rate", "bound"), [(0.1, 10), (10, 100), (1000, 10_000), (20_000, 50_000)])
def test_ten_seconds_of_events_may_be_in_flight_up_to_a_limit(rate: float, bound: int) -> None:
    assert in_flight_bound(rate) == bound


def test_an_acknowledged_event_is_counted_with_its_place_and_latency(
    sender: Sender, producer: FakeProducer, clock: Clock
) -> None:
    assert sender.send(b"user_1", b"{}")
    clock.move(0.02)
    producer.futures[0].acknowledge()

    progress = sender.progress()

    assert producer.sent == [("clicks", b"user_1", b"{}")]
    assert (progress.accepted, progress.acknowledged, progress.in_flight) == (1, 1, 0)
    assert (progress.partition, progress.offset) == (3, 1234)
    assert progress.latencies[LATENCY_BOUNDS_S.index(0.025)] == 1
    assert progress.latency_sum == pytest.approx(0.02)


def test_there_is_no_room_at_the_bound_until_kafka_acknowledges(sender: Sender, producer: FakeProducer) -> None:
    for _ in range(5):
        assert sender.send(None, b"x")
    assert sender.room() == 0

    producer.futures[0].acknowledge()

    assert sender.room() == 1


def test_large_events_fill_the_bound_in_bytes(sender: Sender, producer: FakeProducer) -> None:
    sender.send(None, b"x" * 60)
    assert sender.room() > 0
    sender.send(None, b"x" * 60)
    assert sender.room() == 0

    producer.futures[0].acknowledge()

    assert sender.room() > 0


def test_kafka_is_away_when_it_is_silent_and_generation_pauses_when_there_is_no_room(
    sender: Sender, producer: FakeProducer, clock: Clock
) -> None:
    sender.send(None, b"x")
    clock.move(2.9)
    assert sender.progress().condition is Condition.RUNNING
    clock.move(0.2)
    assert sender.progress().condition is Condition.AWAY
    assert sender.progress().why == "Kafka is away: nothing acknowledged for 3 s"
    for _ in range(4):
        sender.send(None, b"x")
    assert sender.progress().condition is Condition.PAUSED

    producer.futures[0].acknowledge()

    assert sender.progress().condition is Condition.RUNNING


def test_a_long_time_without_events_is_not_kafkas_silence(sender: Sender, producer: FakeProducer, clock: Clock) -> None:
    sender.send(None, b"x")
    producer.futures[0].acknowledge()
    clock.move(600)
    sender.send(None, b"x")

    assert sender.progress().condition is Condition.RUNNING


def test_a_topic_that_vanished_pauses_generation(sender: Sender, producer: FakeProducer) -> None:
    producer.topic_exists = False

    assert sender.room() == 0
    assert sender.progress().condition is Condition.PAUSED
    assert sender.progress().why == "topic clicks does not exist any more"


def test_an_event_that_the_client_could_not_take_is_not_accepted(sender: Sender, producer: FakeProducer) -> None:
    producer.raises = KafkaTimeoutError("no metadata")

    assert not sender.send(None, b"x")
    assert sender.progress().accepted == 0
    assert sender.failure == ""


def test_a_refused_event_is_a_failure_that_says_what_to_do(sender: Sender, producer: FakeProducer) -> None:
    sender.send(None, b"x")
    sender.send(None, b"x")
    producer.futures[0].refuse(TopicAuthorizationFailedError("clicks"))
    producer.futures[1].refuse(MessageSizeTooLargeError())

    assert sender.progress().failed == 2
    assert "may not write to topic clicks; grant it Write" in sender.failure


def test_an_event_larger_than_a_request_is_a_failure(sender: Sender, producer: FakeProducer) -> None:
    producer.raises = MessageSizeTooLargeError("2000000 bytes")

    assert not sender.send(None, b"x")
    assert "larger than topic clicks allows" in sender.failure


def test_closing_waits_for_nothing_that_is_still_in_flight(sender: Sender, producer: FakeProducer) -> None:
    sender.send(None, b"x")
    sender.drain(0.0)
    sender.close()
    assert producer.ended == "abandoned"


def test_closing_an_idle_client_closes_it(sender: Sender, producer: FakeProducer) -> None:
    sender.close()

    assert producer.ended == "closed"
