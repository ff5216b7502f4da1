"""Consumers skip record batches that can't be read; `unreadable` says which and why.

aiokafka raises CorruptRecordException, or an error of the codec, and asks for the same offset again. With this patch
the fetched bytes of a partition are unpacked batch by batch, and a batch is delivered as a whole or not at all. The
rest is as in aiokafka: records before the requested offset, aborted transactions and control batches are left out.

Written for aiokafka 0.14.
Upstream: aiokafka #321 (open) asks for a way to skip such batches.
Delete when #321 is done and a consumer learns which offsets were skipped.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from zlib import crc32

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record._crecords import default_records, legacy_records
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c

from clickstream_kafka.errors import BatchTooLarge
from clickstream_kafka.patches.bounded_unpacking import bound_unpacking
from clickstream_kafka.unreadable import CHECKSUM, Offsets, Unreadable, describe, end_of_corrupt

_BASE_OFFSET_BYTES = 8
_LZ4 = 3


def apply() -> None:
    bound_unpacking(default_records, legacy_records)
    fetcher.MemoryRecords = Batches  # in which every fetcher wraps the bytes that it has fetched
    fetcher.PartitionRecords = ReadableRecords


class Batches(MemoryRecords):  # type: ignore[misc]
    """Fetched batches whose CRC is computed by a CPU instruction; aiokafka's table takes five times as long.

    The layout is that of Kafka's protocol: the length at byte 8 counts from byte 12, and byte 16 is the format's
    number. From format 2 on the CRC-32C at byte 17 covers everything after it, and the last three bits of byte 22 are
    the codec; before, the CRC-32 is at byte 12.
    """

    _LENGTH, _AFTER_LENGTH, _FORMAT, _CRC, _AFTER_CRC, _CODEC = 8, 12, 16, 17, 21, 22

    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self._fetched = fetched
        self._bytes = memoryview(fetched)
        self._begin = self._end = 0

    def next_is_intact(self) -> bool:
        """Whether the CRC of the batch that `next_batch` returns next is correct; call it once for each batch."""
        self._begin = start = self._end
        length: int = struct.unpack_from(">i", self._bytes, start + self._LENGTH)[0]
        self._end = start + self._AFTER_LENGTH + length
        if self._bytes[start + self._FORMAT] < 2:
            old: int = struct.unpack_from(">I", self._bytes, start + self._AFTER_LENGTH)[0]
            return crc32(self._bytes[start + self._FORMAT : self._end]) == old
        expected: int = struct.unpack_from(">I", self._bytes, start + self._CRC)[0]
        return crc32c(self._bytes[start + self._AFTER_CRC : self._end]) == expected

    def place_of_this(self) -> tuple[bytes, int, int] | None:
        """Return where the last batch is, in what was fetched, if it is of format 2 and not compressed or by LZ4."""
        if self._bytes[self._begin + self._FORMAT] != 2 or self._bytes[self._begin + self._CODEC] & 7 not in (0, _LZ4):
            return None
        return self._fetched, self._begin, self._end

    def end_of_this(self, asked_for: int) -> int:
        """Return the offset at which to go on after the last batch that was not intact."""
        following = self._bytes[self._end : self._end + _BASE_OFFSET_BYTES]
        return end_of_corrupt(bytes(self._bytes[self._begin : self._end]), bytes(following), asked_for)


class ReadableRecords(PartitionRecords):  # type: ignore[misc]
    """The fetched bytes of one partition, without the batches that can't be read."""

    unreadable: ClassVar[Unreadable]
    next_fetch_offset: int

    def batches(self) -> Iterator[Sequence[Any]]:
        """Yield the records of one batch after the other, up to one that must be fetched again.

        The records are those of aiokafka's log format, not a consumer's: offset, timestamp, key, value and headers.
        """
        while self._records.has_next():
            try:
                intact = self._records.next_is_intact() or not self._check_crcs
                batch = self._records.next_batch()
            except Exception as error:  # its size is impossible, so the start of the next batch is unknown
                self._skip(Offsets(self.next_fetch_offset, self.next_fetch_offset + 1), describe(error))
                return
            if not intact:
                if self.unreadable.fetch_again(self._tp.topic, self._tp.partition, batch.base_offset):
                    return
                self._skip(Offsets(batch.base_offset, self._records.end_of_this(self.next_fetch_offset)), CHECKSUM)
                continue
            try:
                records = self._records_of(batch)
            except BatchTooLarge as error:
                yield from self._too_large(batch, error)
                self.next_fetch_offset = batch.next_offset
                continue
            except Exception as error:  # OSError from gzip, the codecs' own from others: all mean corrupt bytes
                if batch.is_control_batch:  # whatever its contents, it ends a transaction
                    self._aborted_producers.discard(batch.producer_id)
                self._skip(Offsets(batch.base_offset, batch.next_offset), describe(error))
                continue
            self.next_fetch_offset = batch.next_offset
            if records:
                yield records

    def _unpack_records(self) -> Iterator[Any]:
        for records in self.batches():
            end = self.next_fetch_offset
            for record in records:
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)
            self.next_fetch_offset = end

    def _records_of(self, batch: Any) -> Sequence[Any]:
        if self._is_aborted(batch) or batch.is_control_batch:
            return []
        return self._unpacked(batch)

    def _unpacked(self, batch: Any) -> Sequence[Any]:
        records = list(batch)
        if batch.base_offset < self.next_fetch_offset:
            return [record for record in records if record.offset >= self.next_fetch_offset]
        return records

    def _is_aborted(self, batch: Any) -> bool:
        """Whether read_committed must not see the batch; keeps track of aborted transactions."""
        if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
            return False
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and self._contains_abort_marker(batch):
            self._aborted_producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborted_producers

    def _too_large(self, batch: Any, error: BatchTooLarge) -> Iterator[list[Any]]:
        """Return what replaces the records of a batch that is too large to unpack."""
        self._skip(Offsets(batch.base_offset, batch.next_offset), describe(error))
        return iter(())

    def _skip(self, offsets: Offsets, reason: str) -> None:
        self.unreadable.skipped(self._tp.topic, self._tp.partition, offsets, reason)
        self.next_fetch_offset = offsets.end
