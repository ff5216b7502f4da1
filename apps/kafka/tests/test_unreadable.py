"""Fetched bytes with a batch in them that can't be read, in both libraries: it is skipped, counted, named."""

import logging
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from kafka.consumer.fetcher import Fetcher as KafkaPythonFetcher
from kafka.record.memory_records import MemoryRecords

from clickstream_kafka.patches import aiokafka_unreadable, kafka_python_unreadable
from clickstream_kafka.patches.aiokafka_unreadable import Batches, ReadableRecords
from clickstream_kafka.unreadable import Offsets, Unreadable, end_of_corrupt
from kit.damage import Damage, break_the_header, damaged, fill_with_nonsense, flip_a_bit, name_an_unknown_codec

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
DAMAGES = [flip_a_bit, break_the_header, name_an_unknown_codec, fill_with_nonsense]
PLACE = TopicPartition("metrics", 1)
Read = Callable[[bytes, int], tuple[list[int], int]]


def batch(first: int, count: int = 5, codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1_000_000)
    for number in range(count):
        builder.append(number, 1_700_000_000_000, None, b"value %d" % number, [])
    data = builder.build()
    data[0:8] = first.to_bytes(8, "big")
    return bytes(data)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """What was counted as (topic, partition, number) since the test began, in both libraries."""
    found: list[tuple[str, int, int]] = []
    unreadable = Unreadable(lambda *counts: found.append(counts))
    monkeypatch.setattr(aiokafka_unreadable.ReadableRecords, "unreadable", unreadable, raising=False)
    monkeypatch.setattr(kafka_python_unreadable.ReadableRecords, "unreadable", unreadable, raising=False)
    monkeypatch.setattr(aiokafka_fetcher, "MemoryRecords", aiokafka_fetcher.MemoryRecords)
    monkeypatch.setattr(aiokafka_fetcher, "PartitionRecords", aiokafka_fetcher.PartitionRecords)
    monkeypatch.setattr(KafkaPythonFetcher, "PartitionRecords", KafkaPythonFetcher.PartitionRecords)
    aiokafka_unreadable.apply()
    kafka_python_unreadable.apply()
    return found


def read_by_aiokafka(fetched: bytes, offset: int) -> tuple[list[int], int]:
    """The offsets that the library hands over when `offset` was asked for, and the one it asks for next."""
    records = ReadableRecords(PLACE, Batches(fetched), [], offset, None, None, True, READ_COMMITTED)
    return [record.offset for record in records], records.next_fetch_offset


def read_by_kafka_python(fetched: bytes, offset: int) -> tuple[list[int], int]:
    records = KafkaPythonFetcher.PartitionRecords(offset, PLACE, MemoryRecords(fetched))
    handed_over = []
    while records:  # as its fetcher does
        handed_over += [record.offset for record in records.take(2)]
    return handed_over, records.next_fetch_offset


both = pytest.mark.parametrize("read", [read_by_aiokafka, read_by_kafka_python])


@both
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.usefixtures("counted")
def test_every_codec_is_read(read: Read, codec: str) -> None:
    assert read(batch(0, codec=CODECS[codec]), 0) == ([0, 1, 2, 3, 4], 5)


@both
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_that_cannot_be_read_is_skipped_and_counted(
    read: Read, codec: str, damage: Damage, counted: list[tuple[str, int, int]]
) -> None:
    broken = damaged(batch(5, codec=CODECS[codec]), damage)
    handed_over, following = read(batch(0) + broken + batch(10), 0)
    if following == 5:  # a checksum is asked for once more
        assert handed_over == [0, 1, 2, 3, 4]
        more, following = read(broken + batch(10), 5)
        handed_over += more

    assert (handed_over, following) == ([0, 1, 2, 3, 4, 10, 11, 12, 13, 14], 15)
    assert counted == [("metrics", 1, 5)]


@both
@pytest.mark.parametrize("damage", [flip_a_bit, name_an_unknown_codec, fill_with_nonsense])
def test_the_last_batch_is_passed_over_too(read: Read, damage: Damage, counted: list[tuple[str, int, int]]) -> None:
    broken = damaged(batch(5), damage)
    positions = [read(broken, 5)[1], read(broken, 5)[1]]
    assert positions[-1] == 10
    assert counted == [("metrics", 1, 5)]


@both
def test_a_checksum_that_fits_when_it_is_fetched_again_costs_nothing(
    read: Read, counted: list[tuple[str, int, int]]
) -> None:
    assert read(damaged(batch(5), flip_a_bit), 5) == ([], 5)
    assert read(batch(5), 5) == ([5, 6, 7, 8, 9], 10)
    assert counted == []


@both
@pytest.mark.usefixtures("counted")
def test_a_size_that_no_batch_has_does_not_hold_the_reader(read: Read) -> None:
    handed_over, following = read(batch(0) + b"\0\0\0\0\0\0\0\5\0\0\0\1" + bytes(50), 0)
    assert handed_over == [0, 1, 2, 3, 4]
    assert following == 6


def test_without_a_following_batch_only_what_is_certain_is_passed_over() -> None:
    whole = batch(5)
    nonsense = damaged(whole, break_the_header)
    assert end_of_corrupt(whole, b"", 5) == 10
    assert end_of_corrupt(nonsense, b"", 5) == 6
    assert end_of_corrupt(nonsense, batch(10)[:8], 5) == 10
    assert end_of_corrupt(nonsense, bytes(8), 7) == 8  # what follows is no batch of a later offset


def test_the_log_names_topic_partition_offsets_and_reason_once_in_30_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    counts: list[int] = []
    unreadable = Unreadable(lambda topic, partition, count: counts.append(count), lambda: now[0])
    with caplog.at_level(logging.WARNING):
        unreadable.skipped("metrics", 1, Offsets(5, 10), "its checksum is wrong")
        unreadable.skipped("metrics", 1, Offsets(10, 20), "its checksum is wrong")
        unreadable.skipped("metrics", 1, Offsets(5, 10), "its checksum is wrong")  # read again
        now[0] = 130.0
        unreadable.skipped("metrics", 1, Offsets(30, 32), "it is")
    assert counts == [5, 10, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "Skipped 5 records of metrics[1], offsets 5 to 9: the batch can't be read, its checksum is wrong",
        "Skipped 2 records of metrics[1], offsets 30 to 31, 12 since the last message: the batch can't be read, it is",
    ]
