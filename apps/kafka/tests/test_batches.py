"""The fetched bytes of a partition: which records are handed over, and what is noticed of broken ones."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from clickstream_kafka import batches
from clickstream_kafka.errors import BatchTooLarge
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_kafka.patches.aiokafka_unreadable import ReadableRecords
from kit.damage import Damage, break_the_header, damaged, fill_with_nonsense, flip_a_bit, name_an_unknown_codec

LZ4 = 3
CODECS = range(5)


@pytest.fixture(autouse=True)
def skipped() -> list[int]:
    """The numbers of records in the batches that are skipped in this test."""
    counted: list[int] = []
    apply_to_aiokafka(lambda topic, partition, count: counted.append(count))
    return counted


def batch(first: int, count: int, *, compression: int = 0) -> bytes:
    """A record batch of `count` records with the values b"0", b"1", ... beginning at the offset `first`."""
    builder = DefaultRecordBatchBuilder(2, compression, False, -1, -1, -1, 1_000_000)
    for number in range(count):
        builder.append(number, 1_700_000_000_000, None, str(number).encode(), [])
    data = builder.build()
    data[0:8] = first.to_bytes(8, "big")
    return bytes(data)


def lists(
    fetched: bytes, offset: int = 0, *, check_crcs: bool = True, unpack: batches.Unpack | None = None
) -> list[Sequence[Any]]:
    """What the consumer makes of the bytes when it asked for `offset`."""
    records = ReadableRecords(
        TopicPartition("events", 0),
        fetcher.MemoryRecords(fetched),
        [],
        offset,
        None,
        None,
        check_crcs,
        READ_COMMITTED,
    )
    batches._yield_lists(records, unpack)
    return list(records)


def offsets_around(broken: bytes, unpack: batches.Unpack | None = None) -> list[int]:
    """The offsets handed over when `broken`, of the offsets 5 to 9, is between two batches."""
    fetched = batch(0, 5) + broken + batch(10, 5)
    found = [record.offset for records in lists(fetched, unpack=unpack) for record in records]
    if found == [0, 1, 2, 3, 4]:  # the checksum may have been broken on the way: it is fetched once more
        again = lists(fetched[len(batch(0, 5)) :], offset=5, unpack=unpack)
        found += [record.offset for records in again for record in records]
    return found


@pytest.mark.parametrize("compression", [0, LZ4])
def test_batches_are_handed_over_in_lists_of_at_least_250_records(compression: int) -> None:
    fetched = b"".join(batch(first, 100, compression=compression) for first in range(0, 1_200, 100))
    handed_over = lists(fetched)
    assert [len(records) for records in handed_over] == [300, 300, 300, 300]
    assert [record.offset for records in handed_over for record in records] == list(range(1_200))


def test_records_before_the_offset_that_was_asked_for_are_left_out() -> None:
    assert [record.offset for records in lists(batch(10, 5), offset=13) for record in records] == [13, 14]


def test_an_incomplete_batch_at_the_end_is_left_for_the_next_fetch() -> None:
    assert [len(records) for records in lists(batch(0, 5) + batch(5, 5)[:-1])] == [5]


@pytest.mark.parametrize("damage", [flip_a_bit, break_the_header, name_an_unknown_codec, fill_with_nonsense])
@pytest.mark.parametrize("compression", CODECS)
def test_what_cannot_be_read_is_skipped_and_everything_around_it_is_handed_over(
    compression: int, damage: Damage, skipped: list[int]
) -> None:
    handed_over = offsets_around(damaged(batch(5, 5, compression=compression), damage))
    assert handed_over == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert skipped == [5]


def test_the_crc_is_that_of_aiokafka_and_of_kafka() -> None:
    fetched = b"".join(batch(first, 7, compression=LZ4) for first in range(0, 70, 7))
    ours, theirs = fetcher.MemoryRecords(fetched), MemoryRecords(fetched)
    while theirs.has_next():
        assert ours.next_is_intact()
        assert theirs.next_batch().validate_crc()
        ours.next_batch()
    assert not ours.has_next()


@pytest.mark.parametrize(("partitions", "turn"), [(1, [0, 1, 2]), (5, [0, 1, 2]), (10, [0, 1])])
def test_a_turn_ends_after_a_tenth_of_a_second_or_a_share_of_half_a_second(
    monkeypatch: pytest.MonkeyPatch, partitions: int, turn: list[int]
) -> None:
    fetched = [lists(batch(first, 1))[0] for first in range(5)]
    batch_consumer = batches.BatchConsumer.__new__(batches.BatchConsumer)
    batch_consumer._batch_fetcher = SimpleNamespace(next_list=lambda partition: fetched.pop(0))
    monkeypatch.setattr(batch_consumer, "assignment", lambda: set(range(partitions)))
    seconds = iter([5.0, 5.04, 5.08, 5.12])
    monkeypatch.setattr(batches, "time", SimpleNamespace(monotonic=lambda: next(seconds)))

    taken = list(batch_consumer._lists(TopicPartition("events", 0), fetched.pop(0)))

    assert [records[0].offset for records in taken] == turn


@pytest.mark.parametrize(("partitions", "mebibytes"), [(1, 8), (6, 8), (16, 4), (100, 1)])
def test_partitions_share_the_bytes_that_are_fetched_before_they_are_taken(partitions: int, mebibytes: int) -> None:
    assigned = [TopicPartition("events", number) for number in range(partitions)]
    ready = SimpleNamespace(has_valid_position=True, paused=False, position=5)
    cluster = SimpleNamespace(leader_for_partition=lambda partition: 1)
    batch_fetcher = batches._BatchFetcher.__new__(batches._BatchFetcher)
    batch_fetcher.__dict__ |= {
        "_client": SimpleNamespace(cluster=cluster),
        "_preferred_read_replica": {},
        "_records": {},
        "_in_flight": set(),
        "_client_rack": None,
        "_fetcher_timeout": 1,
        "_fetch_max_wait_ms": 500,
        "_fetch_min_bytes": 1,
        "_fetch_max_bytes": 8 << 20,
        "_isolation_level": READ_COMMITTED,
    }
    assignment = SimpleNamespace(tps=assigned, state_value=lambda partition: ready)

    [(node, request)], *_ = batch_fetcher._get_actions_per_node(cast(Any, assignment))

    [(topic, asked)] = request.topics
    assert (node, topic) == (1, "events")
    assert sorted(asked) == [(number, 5, mebibytes << 20) for number in range(partitions)]


def unpacked(fetched: bytes, start: int, end: int, first_offset: int) -> list[Any]:
    """What an `Unpack` returns, made by aiokafka's reader."""
    records = MemoryRecords(fetched[start:end]).next_batch()
    return [record for record in records if record.offset >= first_offset]


@pytest.mark.parametrize("damage", [flip_a_bit, break_the_header, name_an_unknown_codec, fill_with_nonsense])
@pytest.mark.parametrize("compression", CODECS)
def test_a_stream_that_unpacks_batches_itself_gets_and_skips_the_same(
    compression: int, damage: Damage, skipped: list[int]
) -> None:
    handed_over = offsets_around(damaged(batch(5, 5, compression=compression), damage), unpacked)
    assert handed_over == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert skipped == [5]


def test_only_batches_of_format_2_without_compression_or_by_lz4_are_unpacked_by_the_stream() -> None:
    places: list[tuple[int, int, int]] = []

    def unpack(fetched: bytes, start: int, end: int, first_offset: int) -> list[Any]:
        places.append((start, end, first_offset))
        return unpacked(fetched, start, end, first_offset)

    of_each_codec = [batch(5 * codec, 5, compression=codec) for codec in CODECS]
    found = lists(b"".join(of_each_codec), offset=2, unpack=unpack)
    assert [record.offset for records in found for record in records] == list(range(2, 25))
    ends = [sum(map(len, of_each_codec[: codec + 1])) for codec in CODECS]
    assert places == [(0, ends[0], 2), (ends[2], ends[3], 15)]


def test_the_records_of_a_batch_that_the_stream_finds_too_large_come_without_content() -> None:
    def refuse(fetched: bytes, start: int, end: int, first_offset: int) -> list[Any]:
        raise BatchTooLarge(100)

    found = [record for records in lists(batch(7, 3), unpack=refuse) for record in records]
    assert [(record.offset, record.value) for record in found] == [(7, None), (8, None), (9, None)]
