"""A stream that is started while Kafka is away for a moment, and a partition that Kafka refuses."""

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError, TransactionalIdAuthorizationFailed
from kstreams.backends import Kafka
from prometheus_client import CollectorRegistry

from clickstream_kafka import partition_stream
from clickstream_kafka.clock import BrokersClock, Clock
from clickstream_kafka.instruments import KafkaInstruments
from clickstream_kafka.partition_stream import PartitionStream
from clickstream_kafka.records import Batches
from clickstream_kafka.tasks import PartitionTask, Replica, TaskSettings
from clickstream_kafka.transactions import Transactions


class Consumers:
    """Makes consumers whose starts end as `outcomes` say, one after the other, and then all as the last: None for well.

    `all_made` is set when the last outcome was handed out.
    """

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = outcomes
        self.made: list[Consumer] = []
        self.all_made = asyncio.Event()

    def __call__(self, **config: Any) -> "Consumer":
        consumer = Consumer(self.outcomes[min(len(self.made), len(self.outcomes) - 1)])
        self.made.append(consumer)
        if len(self.made) >= len(self.outcomes):
            self.all_made.set()
        return consumer


class Consumer:
    """A consumer that is only started and stopped."""

    def __init__(self, outcome: Exception | None) -> None:
        self.outcome = outcome
        self.stopped = False

    def subscribe(self, **topics: Any) -> None:
        """Take the subscription."""

    async def start(self) -> None:
        """Fail or not."""
        if self.outcome is not None:
            raise self.outcome

    async def stop(self) -> None:
        """Take note of it."""
        self.stopped = True

    close = stop


def instruments() -> KafkaInstruments:
    return KafkaInstruments("test", CollectorRegistry())


def replica(clock: BrokersClock, **times: int) -> Replica:
    return Replica({}, cast(Any, None), clock, instruments(), TaskSettings(**{"commit_interval": 1000, **times}))


def stream(
    monkeypatch: pytest.MonkeyPatch, consumers: Consumers, clock: BrokersClock | None = None
) -> "PartitionStream[Any]":
    """A stream with these consumers, which joins again without a pause."""
    monkeypatch.setattr(partition_stream, "BatchConsumer", consumers)
    clock = clock or BrokersClock(max_clock_skew=0)
    no_task = cast(Any, pytest.fail)
    made = PartitionStream("events", "group", nothing, no_task, replica(clock), stage="events", join_pause_s=0)
    made.backend = Kafka()
    return made


async def nothing(task: PartitionTask, batches: Batches) -> None:
    """Nothing is done with the records."""


async def test_a_kafka_that_goes_away_during_the_start_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    consumers = Consumers(KafkaConnectionError("refused"), AssertionError("no brokers"), None)
    events = stream(monkeypatch, consumers)
    working = asyncio.create_task(events.start())
    await asyncio.wait_for(consumers.all_made.wait(), 10)
    assert not working.done()
    await events.stop()
    await working
    assert [consumer.stopped for consumer in consumers.made] == [True, True, True]
    refused, unnamed = [record.message for record in caplog.records]
    assert refused == "events: cannot join the group yet: KafkaConnectionError: refused"
    assert unnamed.endswith("Kafka names no brokers yet (no brokers)")


async def test_an_error_that_no_retry_fixes_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = Consumers(GroupAuthorizationFailedError("group"))
    with pytest.raises(GroupAuthorizationFailedError):
        await stream(monkeypatch, consumers).start()
    assert len(consumers.made) == 1


async def test_a_stream_that_has_nothing_to_commit_sees_by_its_coordinator_that_kafka_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0]
    clock = BrokersClock(Clock(monotonic=lambda: now[0]), max_clock_skew=0)
    events = stream(monkeypatch, Consumers(None), clock)
    coordinator = SimpleNamespace(coordinator_id=1)
    events.consumer = cast(Any, SimpleNamespace(_coordinator=coordinator, partitions_for_topic=lambda topic: {0}))
    events.assigned = True

    def waits_for(coordinator_id: int | None, later_ms: int) -> str:
        coordinator.coordinator_id = coordinator_id
        now[0] += later_ms
        return events.waits_for()

    assert waits_for(1, 60_000) == ""
    assert waits_for(None, 10_000) == "", "it may have a successor"
    assert waits_for(None, 1) == "events: Kafka is away: the coordinator of the group does not answer"
    assert waits_for(2, 500) == ""


async def test_a_stream_that_waits_for_kafka_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = Consumers(KafkaConnectionError("refused"), KafkaConnectionError("refused"))
    events = stream(monkeypatch, consumers)
    working = asyncio.create_task(events.start())
    await asyncio.wait_for(consumers.all_made.wait(), 10)
    await events.stop()
    await asyncio.wait_for(working, 10)
    assert all(consumer.stopped for consumer in consumers.made)


class RefusedTask(PartitionTask):
    """A task whose producer is refused until `granted`, and which then has nothing to do."""

    def __init__(self, partition: TopicPartition, replica: Replica) -> None:
        super().__init__(partition, cast(Any, None), replica)
        self.granted = False
        self.attempts: asyncio.Queue[None] = asyncio.Queue()
        self.polled = asyncio.Event()

    async def start_producer(self) -> Transactions:
        self.attempts.put_nowait(None)
        if not self.granted:
            raise TransactionalIdAuthorizationFailed()
        return cast(Transactions, Consumer(None))

    async def restore(self, transactions: Transactions) -> None:
        """Nothing is to be restored."""

    async def poll(self) -> Batches:
        self.polled.set()
        return ()

    def has_news(self) -> bool:
        return False

    async def commit(self, transactions: Transactions) -> None:
        raise AssertionError("there is no news")

    def forget(self) -> None:
        """There is no memory."""

    def clear_metrics(self) -> None:
        """There are no gauges."""


async def test_a_missing_right_is_said_by_readiness_and_once_in_half_a_minute_by_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moments = [0]
    clock = BrokersClock(Clock(now=lambda: moments[-1], monotonic=lambda: moments[-1]), max_clock_skew=0)
    partition = TopicPartition("events", 4)
    events = stream(monkeypatch, Consumers(None))
    task = RefusedTask(partition, replica(clock, min_backoff=0))
    events.tasks, events.assigned = {partition: task}, True
    assert events.waits_for() == "events: waiting for assignment, restore or Kafka"
    running = task.start(partial(nothing, task))
    async with asyncio.timeout(10):
        for _ in range(3):
            await task.attempts.get()
        assert "(partition 4: [Error 53] TransactionalIdAuthorizationFailed" in events.waits_for()
        moments.append(31_000)
        for _ in range(3):
            await task.attempts.get()
        task.granted = True
        await task.polled.wait()
    assert events.waits_for() == ""
    task.stop()
    await running
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 2
    assert said[0].startswith("events[4]: begins again from the log in 0.0 s: [Error 53] TransactionalIdAuth")


class LongRestoringTask(RefusedTask):
    """A task whose restore waits until `restored`."""

    def __init__(self, partition: TopicPartition, replica: Replica) -> None:
        super().__init__(partition, replica)
        self.granted = True
        self.restoring, self.restored = asyncio.Event(), asyncio.Event()

    async def restore(self, transactions: Transactions) -> None:
        self.step = "the end of the world"
        self.restoring.set()
        await self.restored.wait()


async def test_a_long_restore_says_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moments = [0]
    clock = BrokersClock(Clock(now=lambda: moments[-1], monotonic=lambda: moments[-1]), max_clock_skew=0)
    partition = TopicPartition("events", 4)
    slept: asyncio.Queue[float] = asyncio.Queue()
    awake = asyncio.Semaphore(0)

    really_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds == 0:
            await really_sleep(0)
        else:
            slept.put_nowait(seconds)
            await awake.acquire()

    events = stream(monkeypatch, Consumers(None))
    task = LongRestoringTask(partition, replica(clock))
    events.tasks, events.assigned = {partition: task}, True
    monkeypatch.setattr(asyncio, "sleep", sleep)
    running = task.start(partial(nothing, task))
    async with asyncio.timeout(10):
        await task.restoring.wait()
        assert await slept.get() == 5
        expected = "events: waiting for assignment, restore or Kafka (partition 4: waits for the end of the world)"
        assert events.waits_for() == expected
        assert caplog.records == []
        for moment in (5_000, 35_000):
            moments.append(moment)
            awake.release()
            assert await slept.get() == 30
        task.restored.set()
        await task.polled.wait()
    assert events.waits_for() == ""
    task.stop()
    await running
    assert [record.getMessage() for record in caplog.records] == [
        f"events[4]: has been restoring for {seconds} s and waits for the end of the world" for seconds in (5, 35)
    ]


class FullTask(RefusedTask):
    """A task that can take no more until it has committed."""

    def __init__(self, partition: TopicPartition, replica: Replica) -> None:
        super().__init__(partition, replica)
        self.granted = True
        self.committed = asyncio.Event()

    def has_news(self) -> bool:
        return self.is_full()

    def is_full(self) -> bool:
        return not self.committed.is_set()

    async def commit(self, transactions: Transactions) -> None:
        self.committed.set()


async def test_what_is_full_is_committed_at_once_though_no_time_has_passed() -> None:
    still = BrokersClock(Clock(now=lambda: 0, monotonic=lambda: 0), max_clock_skew=0)
    task = FullTask(TopicPartition("events", 0), replica(still))
    running = task.start(partial(nothing, task))
    await asyncio.wait_for(task.committed.wait(), 10)
    task.stop()
    await running
