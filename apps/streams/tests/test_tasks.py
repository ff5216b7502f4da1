"""A stream that is started while Kafka is away for a moment."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaConnectionError
from kstreams.backends import Kafka

from clickstream_streams import tasks
from clickstream_streams.tasks import PartitionStream


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


def stream(monkeypatch: pytest.MonkeyPatch, consumers: Consumers) -> PartitionStream:
    """A stream with these consumers, which asks again without a pause."""
    monkeypatch.setattr(tasks, "BatchConsumer", consumers)
    monkeypatch.setattr(tasks, "_PAUSE_BEFORE_JOINING", 0)
    made = PartitionStream("events", stage="events", make_task=pytest.fail, config={})
    made.backend = Kafka()
    return made


def test_a_kafka_that_goes_away_during_the_start_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    consumers = Consumers(KafkaConnectionError("refused"), AssertionError("no brokers"), None)

    async def scenario() -> None:
        events = stream(monkeypatch, consumers)
        working = asyncio.create_task(events.start())
        await asyncio.wait_for(consumers.all_made.wait(), 10)
        assert not working.done()
        await events.stop()
        await working

    asyncio.run(scenario())
    assert [consumer.stopped for consumer in consumers.made] == [True, True, True]
    refused, unnamed = [record.message for record in caplog.records]
    assert refused == "events: cannot join the group yet: KafkaConnectionError KafkaConnectionError: refused"
    assert unnamed.endswith("Kafka names no brokers yet (no brokers)")


def test_what_no_second_try_mends_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = Consumers(GroupAuthorizationFailedError("group"))

    async def scenario() -> None:
        with pytest.raises(GroupAuthorizationFailedError):
            await stream(monkeypatch, consumers).start()

    asyncio.run(scenario())
    assert len(consumers.made) == 1


def test_a_stream_that_waits_for_kafka_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = Consumers(KafkaConnectionError("refused"), KafkaConnectionError("refused"))

    async def scenario() -> None:
        events = stream(monkeypatch, consumers)
        working = asyncio.create_task(events.start())
        await asyncio.wait_for(consumers.all_made.wait(), 10)
        await events.stop()
        await asyncio.wait_for(working, 10)

    asyncio.run(scenario())
    assert all(consumer.stopped for consumer in consumers.made)
