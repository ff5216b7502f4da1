"""What a partition's task says of the records that it refuses, how many it takes, and by which clock it goes."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from streams_simulation import Kafka, LogRecord, Worker, emitted_results, simulated_settings, stable_offsets

from clickstream_kafka import offsets
from clickstream_streams import merge_stage
from clickstream_streams.events_stage import EventsTask
from clickstream_streams.main import count
from clickstream_streams.partials import WatermarkRecord, decode_record
from clickstream_streams.partition import MOST_WAITING_BYTES
from clickstream_streams.settings import StreamsSettings

HOUR = 3_600_000
SETTINGS = simulated_settings()


@pytest.fixture(autouse=True)
def on_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_stage, "emitted_results", emitted_results)
    monkeypatch.setattr(offsets, "stable_offsets", stable_offsets)


async def joined(kafka: Kafka, settings: StreamsSettings = SETTINGS) -> Worker:
    topics = settings.topics
    merge, events = (
        Worker(kafka, settings, TopicPartition(topic, 0)) for topic in (topics.partials_topic, topics.events_topic)
    )
    await merge.take()
    await events.take()
    while not events.idle:
        await merge.turn()
        await merge.commit()
        await asyncio.sleep(0)
        await events.settle()
    return events


async def test_a_partition_has_not_joined_by_a_record_whose_offset_is_unknown() -> None:
    kafka = Kafka(SETTINGS, 1)
    merge = Worker(kafka, SETTINGS, TopicPartition(SETTINGS.topics.partials_topic, 0))
    await merge.take()
    await merge.commit()
    assert merge.idle
    kafka.duplicates = 2
    events = Worker(kafka, SETTINGS, TopicPartition(SETTINGS.topics.events_topic, 0))
    await events.take()
    for _ in range(5):
        await events.settle()
    assert kafka.duplicates == 0
    assert not events.idle
    await merge.turn()
    await merge.commit()
    await events.settle()
    assert events.idle


async def test_refused_records_are_told_once_in_half_a_minute_with_partition_and_offset(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 1)
    events = await joined(kafka)
    for pause in (0, 10_000, 25_000):
        kafka.wait(pause)
        for value in (b"{}", b"no json"):
            kafka.events[0].append(value, b"key", kafka.now)
        await events.turn()
        await events.commit()
    said = [record for record in caplog.records if "refused" in record.getMessage()]
    assert [record.getMessage().partition(";")[0] for record in said] == [
        "clickstream-events[0]: refused 2 records",
        "clickstream-events[0]: refused 4 records",
    ]
    assert "they are on clickstream-dead-letters. The last one, at offset" in said[0].getMessage()
    assert "is not_json: not JSON: " in said[0].getMessage()
    assert vars(said[1]) | {"partition": 0, "reason": "not_json"} == vars(said[1])
    assert vars(said[1])["offset"] > vars(said[0])["offset"]


async def test_a_line_about_trouble_keeps_none_about_refused_records_from_the_log_and_the_other_way_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 1)
    events = await joined(kafka)
    for _ in range(2):
        kafka.wait(31_000)
        events.task._note_trouble("Kafka does not answer", 100)
        kafka.events[0].append(b"no json", b"key", kafka.now)
        await events.turn()
        await events.commit()
        events.task._note_trouble("Kafka does not answer", 100)
    said = [record.getMessage().partition(":")[2][:13] for record in caplog.records]
    assert said == [" begins again", " refused 1 re"] * 2


async def test_a_turn_ends_when_refused_records_take_much_memory() -> None:
    task = (await joined(Kafka(SETTINGS, 1))).task
    assert isinstance(task, EventsTask)
    large = b"x" * (MOST_WAITING_BYTES // 2)
    lists: list[Sequence[Any]] = [[LogRecord(offset, 0, None, large)] for offset in range(4)]
    fetched = iter(lists)

    await count(task, fetched)

    assert [records[0].offset for records in fetched] == [2, 3]


async def restarted(kafka: Kafka) -> Worker:
    """Another replica, which takes over; it does not know the brokers' time yet."""
    worker = Worker(kafka, SETTINGS, TopicPartition(SETTINGS.topics.events_topic, 0))
    await worker.take()
    return worker


async def idle(events: Worker, kafka: Kafka, seconds: int) -> None:
    for _ in range(seconds):
        kafka.wait(1000)
        await events.turn()
        await events.commit()


def watermarks(kafka: Kafka) -> list[int]:
    decoded = [decode_record(record.value or b"") for record in kafka.partials.records]
    return [record.watermark for record in decoded if isinstance(record, WatermarkRecord)]


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
async def test_an_idle_partition_follows_the_brokers_clock_also_right_after_a_restart(ahead: int) -> None:
    kafka = Kafka(SETTINGS, 1)
    kafka.ahead[0] = ahead
    first = await joined(kafka)
    await idle(first, kafka, 10)
    await first.die()
    events = await restarted(kafka)
    assert events.idle
    assert events.clock.is_settled
    await idle(events, kafka, 30)
    assert kafka.now - 13_000 < max(watermarks(kafka)) <= kafka.now - SETTINGS.out_of_orderness


async def test_a_machine_whose_clock_is_an_hour_ahead_for_a_while_changes_nothing() -> None:
    kafka = Kafka(SETTINGS, 1)
    events = await joined(kafka)
    for second in range(40):
        kafka.ahead[0] = HOUR if 10 <= second < 22 else 0
        await idle(events, kafka, 1)
        assert max(watermarks(kafka)) <= kafka.now - SETTINGS.out_of_orderness
    assert max(watermarks(kafka)) > kafka.now - 13_000


async def test_an_idle_partition_asks_for_the_brokers_time_once_a_minute() -> None:
    settings = simulated_settings(window_size="1d")
    kafka = Kafka(settings, 1)
    events = await joined(kafka, settings)
    before = len(kafka.partials.records)
    await idle(events, kafka, 600)
    assert 9 <= len(kafka.partials.records) - before <= 12
