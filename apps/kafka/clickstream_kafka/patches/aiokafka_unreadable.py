"""Skipping what can't be read, with aiokafka 0.14; `unreadable` says what and why.

aiokafka raises CorruptRecordException, or whatever its codecs raise, and asks for the same offset again. Here the bytes
that were fetched of a partition are unpacked batch by batch, each completely, before anything of it is handed over: a
batch is given as a whole or not at all. The rest is as aiokafka does it: records before the offset that was asked for,
aborted transactions and control batches are left out.

A broker that can't read its own log answers at once, with an error, and aiokafka asks again at once, a hundred times in
a second. Nothing is skipped then: another broker may have what this one has lost. But from one such answer to the next
question there is a pause, of half a second in the end: other partitions of this broker wait as long.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterator
from functools import cache, wraps
from typing import Any, ClassVar
from zlib import crc32

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, Fetcher, PartitionRecords
from aiokafka.record._crecords import default_records, legacy_records
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c

from clickstream_kafka.patches.bounded_unpacking import BatchTooLarge, bound_unpacking
from clickstream_kafka.unreadable import CHECKSUM, Offsets, Unreadable, end_of_broken, in_words

_AT_LEAST = 8
"""Bytes of the next batch, if so many were fetched, tell its first offset."""

_AT_ONCE = 0.1
"""Seconds within which an answer comes that did not wait for records."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def skip_unreadable_batches(unreadable: Unreadable) -> None:
    """Have every aiokafka consumer of this process skip what can't be read."""
    ReadableRecords.unreadable = unreadable
    bound_unpacking(default_records, legacy_records)
    fetcher.MemoryRecords = Batches  # what every fetcher makes of the bytes that it has fetched
    fetcher.PartitionRecords = ReadableRecords
    _pause_after_errors()


@cache
def _pause_after_errors() -> None:
    Fetcher._proc_fetch_request = _pausing(Fetcher._proc_fetch_request)


def _pausing(fetch: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    @wraps(fetch)
    async def fetching(self: Any, assignment: Any, node_id: Any, request: Any) -> bool:
        clock = asyncio.get_running_loop().time
        asked = clock()
        brought_something = await fetch(self, assignment, node_id, request)
        pauses = self.__dict__.setdefault("pauses", {})
        if brought_something or clock() - asked >= _AT_ONCE or not _waits_for_the_same(assignment, request):
            pauses.pop(node_id, None)
            return brought_something
        pause = pauses[node_id] = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, 2 * pauses.get(node_id, 0.0)))
        try:
            await asyncio.sleep(pause)
        except asyncio.CancelledError:  # the partitions were taken away; aiokafka expects an answer
            return False
        return False

    return fetching


def _waits_for_the_same(assignment: Any, request: Any) -> bool:
    """Whether some partition is to be read where it was when it was asked for, so that nothing was read of it."""
    if not assignment.active:
        return False
    for topic, partitions in request.topics:
        for partition, offset, _ in partitions:
            state = assignment.state_value(TopicPartition(topic, partition))
            if state is not None and state.has_valid_position and state.position == offset:
                return True
    return False


class Batches(MemoryRecords):  # type: ignore[misc]
    """Fetched batches whose CRC is computed by an instruction of the CPU; aiokafka's table takes five times as long.

    Their layout is that of Kafka's protocol: the length at byte 8 counts from byte 12, and at byte 16 is the format's
    number. From 2 on the CRC-32C at byte 17 is that of everything behind it; before, the CRC-32 at byte 12.
    """

    _LENGTH, _AFTER_LENGTH, _FORMAT, _CRC, _AFTER_CRC = 8, 12, 16, 17, 21

    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self._bytes = memoryview(fetched)
        self._begin = self._end = 0

    def next_is_intact(self) -> bool:
        """Whether the CRC of the batch fits that `next_batch` is about to return; to be asked once for each."""
        self._begin = start = self._end
        length: int = struct.unpack_from(">i", self._bytes, start + self._LENGTH)[0]
        self._end = start + self._AFTER_LENGTH + length
        if self._bytes[start + self._FORMAT] < 2:
            old: int = struct.unpack_from(">I", self._bytes, start + self._AFTER_LENGTH)[0]
            return crc32(self._bytes[start + self._FORMAT : self._end]) == old
        expected: int = struct.unpack_from(">I", self._bytes, start + self._CRC)[0]
        return crc32c(self._bytes[start + self._AFTER_CRC : self._end]) == expected

    def end_of_this(self, asked_for: int) -> int:
        """Return where to go on behind the batch that `next_is_intact` was asked about last, when it is not."""
        following = self._bytes[self._end : self._end + _AT_LEAST]
        return end_of_broken(bytes(self._bytes[self._begin : self._end]), bytes(following), asked_for)


class ReadableRecords(PartitionRecords):  # type: ignore[misc]
    """The fetched bytes of one partition, without what can't be read."""

    unreadable: ClassVar[Unreadable]
    next_fetch_offset: int

    def batches(self) -> Iterator[list[Any]]:
        """Unpack one batch after the other; none of those that are skipped, and none behind one to be fetched again.

        The records are aiokafka's of the log, not of a consumer: with offset, timestamp, key, value and headers.
        """
        while self._records.has_next():
            try:
                intact = self._records.next_is_intact() or not self._check_crcs
                batch = self._records.next_batch()
            except Exception as error:  # its size is none that a batch can have, so nobody knows where the next begins
                self._skip(Offsets(self.next_fetch_offset, self.next_fetch_offset + 1), in_words(error))
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
            except Exception as error:  # gzip's are OSErrors, others the codecs' own: all mean nonsense in the batch
                if batch.is_control_batch:  # of what it says one thing is certain: that a transaction ends
                    self._aborted_producers.discard(batch.producer_id)
                self._skip(Offsets(batch.base_offset, batch.next_offset), in_words(error))
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

    def _records_of(self, batch: Any) -> list[Any]:
        if self._is_aborted(batch) or batch.is_control_batch:
            return []
        records = list(batch)
        if batch.base_offset < self.next_fetch_offset:
            return [record for record in records if record.offset >= self.next_fetch_offset]
        return records

    def _is_aborted(self, batch: Any) -> bool:
        """Whether read_committed must not see the batch; keeps track of the transactions that were aborted."""
        if self._isolation_level != READ_COMMITTED or batch.producer_id is None:
            return False
        self._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and self._contains_abort_marker(batch):
            self._aborted_producers.discard(batch.producer_id)
        return batch.is_transactional and batch.producer_id in self._aborted_producers

    def _too_large(self, batch: Any, error: BatchTooLarge) -> Iterator[list[Any]]:
        """Return what is handed over instead of the records of a batch that is too large to unpack."""
        self._skip(Offsets(batch.base_offset, batch.next_offset), in_words(error))
        return iter(())

    def _skip(self, offsets: Offsets, reason: str) -> None:
        self.unreadable.skipped(self._tp.topic, self._tp.partition, offsets, reason)
        self.next_fetch_offset = offsets.end
