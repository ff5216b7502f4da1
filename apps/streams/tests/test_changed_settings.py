"""WINDOW_SIZE is changed and changed back, and the partitions have not all noticed."""

import asyncio
import json
from collections.abc import Collection

import pytest
from aiokafka import TopicPartition
from streams_simulation import Kafka, Worker, emitted_results, simulated_settings, stable_offsets

from clickstream_core.timestamps import format_milliseconds
from clickstream_kafka import offsets
from clickstream_streams import merge_stage
from clickstream_streams.commits import EventsCommit, decode_commit
from clickstream_streams.settings import StreamsSettings

pytestmark = pytest.mark.usefixtures("each_counting")

TEN_SECONDS = simulated_settings()
THIRTY_SECONDS = simulated_settings(window_size="30s")


@pytest.fixture(autouse=True)
def on_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_stage, "emitted_results", emitted_results)
    monkeypatch.setattr(offsets, "stable_offsets", stable_offsets)


def happen(kafka: Kafka, partition: int, count: int) -> None:
    """Append events of now."""
    event = {
        "timestamp": format_milliseconds(kafka.now),
        "user_id": "user",
        "session_id": "session",
        "event_type": "click",
        "page_url": "/",
        "referrer": "direct",
        "device_type": "mobile",
        "duration_ms": 1,
    }
    for _ in range(count):
        kafka.events[partition].append(json.dumps(event).encode(), b"key", kafka.now)


class Replica:
    """A replica that works on some of the partitions of the events topic, and merges."""

    def __init__(self, kafka: Kafka, settings: StreamsSettings, partitions: Collection[int]) -> None:
        self.kafka = kafka
        topics = settings.topics
        taken = [TopicPartition(topics.partials_topic, 0)]
        taken += [TopicPartition(topics.events_topic, number) for number in partitions]
        self.workers = [Worker(kafka, settings, each) for each in taken]

    async def start(self) -> None:
        for worker in self.workers:
            await worker.take()
        await self.go_on(4, 0)

    async def go_on(self, times: int, milliseconds: int) -> None:
        for _ in range(times):
            self.kafka.wait(milliseconds)
            for worker in self.workers:
                await worker.turn()
                await worker.commit()
                await asyncio.sleep(0)
                await worker.settle()

    async def kill(self) -> None:
        for worker in self.workers:
            await worker.die()


@pytest.mark.parametrize("noticed", [(0,), (0, 1)], ids=["one partition noticed", "both noticed"])
async def test_no_partition_adds_to_windows_that_another_one_has_left_behind(noticed: Collection[int]) -> None:
    kafka = Kafka(TEN_SECONDS, 2)
    small = Replica(kafka, TEN_SECONDS, (0, 1))
    await small.start()
    happen(kafka, 0, 5)
    happen(kafka, 1, 7)
    kafka.wait(13_000)
    happen(kafka, 1, 1)  # so partition 1 has written its share of the first window, and partition 0 has not
    await small.go_on(1, 0)
    await small.kill()
    large = Replica(kafka, THIRTY_SECONDS, noticed)
    await large.start()
    for partition in (0, 1):
        happen(kafka, partition, 2)
    await large.go_on(2, 100)
    await large.kill()
    again = Replica(kafka, TEN_SECONDS, (0, 1))
    await again.start()
    kafka.wait(20_000)
    began = kafka.now // 10_000 * 10_000
    for partition in (0, 1):
        happen(kafka, partition, 3)
    await again.go_on(20, 1000)
    await again.kill()

    # The first window was never complete under either size, so no part of it may be presented as its result.
    found = [(each.window_start, each.total_events) for each in kafka.metrics]
    assert found == [(format_milliseconds(began).replace(".000", ""), 6)]
    commits = [kafka.commits[TEN_SECONDS.group_id, TopicPartition(TEN_SECONDS.topics.events_topic, p)] for p in (0, 1)]
    decoded = [decode_commit(each.metadata, EventsCommit) for each in commits]
    assert len({each.began for each in decoded if each is not None}) == 1
