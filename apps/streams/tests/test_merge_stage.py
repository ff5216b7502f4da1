"""What the merge says while a window waits for a partition, and what it does not say twice."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata
from streams_simulation import Kafka, Worker, emitted_results, simulated_settings, stable_offsets

from clickstream_core.events import CountedEvent
from clickstream_kafka import offsets
from clickstream_streams import instruments, merge_stage
from clickstream_streams.commits import EventsCommit, encode_commit
from clickstream_streams.counts import WindowCounts
from clickstream_streams.partials import Partial, WatermarkRecord, encode_record, split

SETTINGS = simulated_settings()
WINDOW = 1_700_000_000_000


@pytest.fixture(autouse=True)
def on_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_stage, "emitted_results", emitted_results)
    monkeypatch.setattr(offsets, "stable_offsets", stable_offsets)


async def merge_on(kafka: Kafka) -> Worker:
    worker = Worker(kafka, SETTINGS, TopicPartition(SETTINGS.topics.partials_topic, 0))
    await worker.take()
    return worker


def topic_has(monkeypatch: pytest.MonkeyPatch, partitions: int) -> None:
    """Make the brokers say so, whatever logs there are."""

    async def partition_count(admin: object, topic: str) -> int:
        return partitions

    monkeypatch.setattr(merge_stage, "partition_count", partition_count)


def count_one(kafka: Kafka, partition: int, window: int, events: int = 1) -> None:
    counts = WindowCounts(100)
    event = CountedEvent("2023-11-14T22:13:20.000Z", "user", "session", "click", "/", "direct", "mobile", 1)
    counts.add([event] * events)
    for part in split(SETTINGS.rules, partition, window, Partial(counts.snapshot(), whole=True)):
        kafka.partials.append(encode_record(part), None, kafka.now)


def has_counted(kafka: Kafka) -> None:
    """Let stage 1 have committed, so that what it wrote counts."""
    commit = EventsCommit(rules=SETTINGS.rules, replay_from=0, joined=True)
    place = SETTINGS.group_id, TopicPartition(SETTINGS.topics.events_topic, 0)
    kafka.commits[place] = OffsetAndMetadata(0, encode_commit(commit))


def say_watermark(kafka: Kafka, partition: int, watermark: int) -> None:
    record = WatermarkRecord(SETTINGS.rules, partition, watermark, watermark - 60_000)
    kafka.partials.append(encode_record(record), None, kafka.now)


async def test_a_partition_that_is_waited_for_is_named_with_watermark_and_lag(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 2)
    events = TopicPartition(SETTINGS.topics.events_topic, 1)
    kafka.commits[SETTINGS.group_id, events] = OffsetAndMetadata(0, "")
    for _ in range(3):
        kafka.events[1].append(b"{}", None, kafka.now)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    say_watermark(kafka, 1, WINDOW)
    await worker.turn()
    kafka.wait(29_999)
    await worker.turn()
    assert not caplog.records
    kafka.wait(1)
    await worker.turn()
    (record,) = caplog.records
    assert "waiting for 30 s for partition 1" in record.getMessage()
    assert "whose watermark is 2023-11-14T22:13:20.000Z and whose lag is 3" in record.getMessage()
    assert instruments.WAITING_SECONDS._value.get() == 30


async def test_windows_that_all_wait_for_a_partition_that_lags_are_noticed_though_each_closes_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    for second in range(0, 90_000, 10_000):  # a window each 10 s; partition 1 is 40 s behind
        count_one(kafka, 0, WINDOW + second)
        say_watermark(kafka, 0, WINDOW + second + 10_000)
        say_watermark(kafka, 1, WINDOW + second - 30_000)
        await worker.turn()
        await worker.commit()
        kafka.wait(10_000)
    assert instruments.WAITING_SECONDS._value.get() == 30
    assert len(kafka.metrics) == 5
    assert ["waiting for 30 s for partition 1" in each.getMessage() for each in caplog.records] == [True] * 2


async def test_a_lag_that_kafka_does_not_tell_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    await worker.turn()
    kafka.wait(30_000)
    await worker.turn()
    (record,) = caplog.records
    assert "for partition 1, whose watermark is not known and whose lag is not known" in record.getMessage()


async def test_a_replica_whose_merge_goes_elsewhere_does_not_wait() -> None:
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    await worker.turn()
    kafka.wait(20_000)
    await worker.turn()
    assert instruments.WAITING_SECONDS._value.get() == 20
    worker.task.clear_metrics()
    assert instruments.WAITING_SECONDS._value.get() == 0


async def test_a_merge_whose_group_was_deleted_does_not_emit_again_what_was_revised_since() -> None:
    kafka = Kafka(SETTINGS, 1)
    worker = await merge_on(kafka)
    for events in (1, 2):
        count_one(kafka, 0, WINDOW, events)
        say_watermark(kafka, 0, WINDOW + 60_000)
        await worker.turn()
        await worker.commit()
    emitted = list(kafka.metrics)
    assert [(each.revision, each.total_events) for each in emitted] == [(0, 1), (1, 2)]
    await worker.die()
    kafka.commits.clear()
    worker = await merge_on(kafka)
    for _ in range(4):
        await worker.turn(most=1)
        await worker.commit()
    assert kafka.metrics == emitted


async def test_a_topic_that_is_made_again_with_fewer_partitions_holds_no_window_open(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    for partition in (0, 1):
        say_watermark(kafka, partition, WINDOW)
    await worker.turn()
    topic_has(monkeypatch, 1)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    for _ in range(7):
        assert not kafka.metrics
        await worker.turn()
        await worker.commit()
        kafka.wait(5_000)
    await worker.turn()
    await worker.commit()
    assert [each.total_events for each in kafka.metrics] == [1]
    assert "was created again with 1 of 2 partitions" in caplog.text


async def test_a_partition_that_still_writes_is_there_whatever_the_brokers_say(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    topic_has(monkeypatch, 1)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    for _ in range(9):
        kafka.wait(14_000)
        say_watermark(kafka, 1, WINDOW)
        await worker.turn()
        await worker.commit()
    assert not kafka.metrics


async def test_an_answer_that_does_not_come_restarts_the_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_answer(admin: object, topic: str) -> int:
        raise KafkaConnectionError

    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    say_watermark(kafka, 1, WINDOW)
    for known in (1, 1, None, 1, 1, None, 1, 1):
        if known is None:
            monkeypatch.setattr(merge_stage, "partition_count", no_answer)
        else:
            topic_has(monkeypatch, known)
        kafka.wait(14_000)
        await worker.turn()
        await worker.commit()
    assert not kafka.metrics


async def test_a_broker_that_does_not_know_yet_of_a_new_partition_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = Kafka(SETTINGS, 2)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW)
    say_watermark(kafka, 0, WINDOW + 60_000)
    say_watermark(kafka, 1, WINDOW)
    for known in (1, 1, 2, 1, 1):
        topic_has(monkeypatch, known)
        kafka.wait(14_000)
        await worker.turn()
        await worker.commit()
    assert not kafka.metrics


async def test_the_records_of_another_group_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    kafka = Kafka(SETTINGS, 1)
    worker = await merge_on(kafka)
    count_one(kafka, 0, WINDOW, 2)
    of_another = (("group", b"second"),)
    later = encode_record(WatermarkRecord(SETTINGS.rules, 0, WINDOW + 600_000, WINDOW + 540_000))
    kafka.partials.append(later, None, kafka.now, headers=of_another)
    kafka.partials.append(b"of a version to come", None, kafka.now, headers=of_another)
    await worker.turn()
    await worker.commit()
    assert not kafka.metrics
    say_watermark(kafka, 0, WINDOW + 10_000)
    await worker.turn()
    await worker.commit()
    assert [each.total_events for each in kafka.metrics] == [2]
    assert not caplog.records


async def test_results_are_found_again_by_the_commit_that_was_written_with_them() -> None:
    """Each window's result is followed by a restart, so that no later commit knows where it lies."""
    kafka = Kafka(SETTINGS, 1)
    has_counted(kafka)
    for number in range(6):
        window = WINDOW + number * SETTINGS.window_size
        worker = await merge_on(kafka)
        count_one(kafka, 0, window)
        say_watermark(kafka, 0, window + SETTINGS.window_size)
        for _ in range(2):
            await worker.turn()
            await worker.commit()
            await worker.die()
            worker = await merge_on(kafka)
        assert [each.revision for each in kafka.metrics] == [0] * (number + 1)


async def test_a_restart_reads_back_only_the_results_of_windows_that_can_still_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    async def counted(kafka: Kafka, *arguments: Any, begin: Sequence[int], **options: Any) -> Any:
        found, ends = await emitted_results(kafka, *arguments, begin=begin, **options)
        named = [*begin, *[0] * len(ends)]
        read.append(sum(place.offset >= named[place.partition] for place in kafka.places))
        return found, ends

    kafka = Kafka(SETTINGS, 1)
    has_counted(kafka)
    monkeypatch.setattr(merge_stage, "emitted_results", counted)
    worker = await merge_on(kafka)
    for number in range(100):
        window = WINDOW + number * SETTINGS.window_size
        count_one(kafka, 0, window)
        say_watermark(kafka, 0, window + SETTINGS.window_size)
        await worker.turn()
        await worker.commit()
    await worker.die()
    await merge_on(kafka)
    assert len(kafka.metrics) == 100
    # `say_watermark` leaves windows open to changes for a minute.
    assert read[0] == 0
    assert 1 <= read[1] <= 2 * 60_000 // SETTINGS.window_size
