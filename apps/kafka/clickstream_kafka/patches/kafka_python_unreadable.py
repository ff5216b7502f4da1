"""Consumers skip record batches that can't be read; `unreadable` says which and why.

kafka-python raises once what it met in a batch. After that its fetcher reads from the same iterator, which has ended,
again and again: `poll` never returns, uses a whole core and ignores a request to stop. With this patch each batch is
unpacked completely before the fetcher gets it, and one that can't be read is replaced by an empty batch that ends at
the same offset.

Written for kafka-python 3.0.
Upstream: none found.
Delete when kafka-python's consumer can skip such a batch and reports its offsets.
"""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

from kafka.consumer.fetcher import Fetcher
from kafka.record import default_records, legacy_records

from clickstream_kafka.patches.bounded_unpacking import bound_unpacking
from clickstream_kafka.unreadable import CHECKSUM, Offsets, Unreadable, describe, end_of_corrupt

_FORMAT = 2  # the format of all batches since Kafka 0.11


def apply() -> None:
    bound_unpacking(default_records, legacy_records)
    Fetcher.PartitionRecords = ReadableRecords


class ReadableRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The fetched bytes of one partition, without the batches that can't be read."""

    unreadable: ClassVar[Unreadable]
    next_fetch_offset: int

    def _unpack_records(self, place: Any, records: Any, *deserializers: Any) -> Any:
        return super()._unpack_records(place, _Batches(self, records), *deserializers)


class _Batches:
    """The source of batches for kafka-python; `next_batch` returns None after the last one."""

    def __init__(self, fetched: ReadableRecords, records: Any) -> None:
        self._fetched = fetched
        self._records = records
        self._end = fetched.next_fetch_offset
        """The offset after the last batch that was taken."""

    def next_batch(self) -> Any:
        """Return the next batch, an empty one if it can't be read; None also when it must be fetched again."""
        try:
            batch = None if self._records is None else self._records.next_batch()
        except Exception as error:  # its size is impossible, so the start of the next batch is unknown
            self._records = None
            return self._skipped(Offsets(self._end, self._end + 1), describe(error))
        if batch is None:
            return None
        place = self._fetched.topic_partition
        if self._fetched.check_crcs and not batch.validate_crc():
            if self._fetched.unreadable.fetch_again(place.topic, place.partition, batch.base_offset):
                return None
            end = end_of_corrupt(bytes(batch._buffer), self._following(), self._end)
            return self._skipped(Offsets(batch.base_offset, end), CHECKSUM)
        is_old = batch.magic < _FORMAT
        end = batch.base_offset + 1 if is_old else batch.next_offset
        try:
            unpacked = _Unpacked(batch, list(batch))
        except Exception as error:
            if not is_old and batch.is_control_batch:  # whatever its contents, it ends a transaction
                self._fetched.aborted_producer_ids.discard(batch.producer_id)
            return self._skipped(Offsets(batch.base_offset, end), describe(error))
        self._end = end
        return unpacked

    def _following(self) -> bytes:
        """The fetched bytes after the last batch that was taken."""
        records = self._records
        return bytes(records._buffer[records._pos :] if records._next_slice is None else records._next_slice)

    def _skipped(self, offsets: Offsets, reason: str) -> "_Unpacked":
        """Note that a batch is skipped; return an empty one instead."""
        place = self._fetched.topic_partition
        self._fetched.unreadable.skipped(place.topic, place.partition, offsets, reason)
        self._end = offsets.end
        empty = SimpleNamespace(
            magic=_FORMAT,
            leader_epoch=-1,
            is_control_batch=False,
            has_producer_id=lambda: False,
            base_offset=offsets.first,
            next_offset=offsets.end,
        )
        return _Unpacked(empty, ())


class _Unpacked:
    """A batch whose records are unpacked already; everything else is the batch's own."""

    def __init__(self, batch: Any, records: Iterable[Any]) -> None:
        self._batch = batch
        self._records = iter(records)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def __next__(self) -> Any:
        return next(self._records)

    def validate_crc(self) -> bool:
        return True
