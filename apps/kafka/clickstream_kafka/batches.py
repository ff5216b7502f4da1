"""kstreams' consumer, with its records in lists.

aiokafka makes a ConsumerRecord of each fetched record and passes it through a generator and a loop; that costs more
than decoding the event in it. The record that its C code makes of the log's bytes already has offset, timestamp, key
and value. So this consumer's fetcher unpacks whole record batches into lists of these, each list after the previous one
was processed: its bytes are in the CPU's cache when they are decoded. The rest is aiokafka's: CRCs, skipping aborted
transactions and control records, positions, assignments. A stream may unpack batches itself (`Unpack`).

Batches that can't be read are skipped (`unreadable`); the records of one that unpacks to too many bytes are delivered
without key and value, so that each becomes a dead letter.

The process must have called `patches.apply_to_aiokafka` before it creates a consumer of this class.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from kstreams import Consumer
from prometheus_client import Counter

from clickstream_kafka.errors import BatchTooLarge
from clickstream_kafka.instruments import KafkaInstruments
from clickstream_kafka.patches.aiokafka_unreadable import ReadableRecords
from clickstream_kafka.records import Batches, OversizedRecord, Record

_MIN_LIST_RECORDS = 250  # a list ends with the first record batch that brings it to this length

_MAX_TURN_S = 0.1
"""How long one partition may keep the loop. The state of its windows stays in the CPU's cache that long.

That is some 60,000 events, but far fewer records that are refused.
"""

_MAX_ROUND_S = 0.5
"""How long all partitions of a replica together may take for a turn each; heartbeats and answers come in between."""

_FETCH_BYTES = 8 * 1024 * 1024  # in a broker's answer, which may be of one partition only

_HELD_BYTES = 64 * 1024 * 1024
"""Fetched and not processed yet, in a replica: its partitions share them, with _MIN_PARTITION_BYTES for each."""

_MIN_PARTITION_BYTES = 1024 * 1024


Unpack = Callable[[bytes, int, int, int], Sequence[Record]]
"""Called with fetched bytes, where a batch begins and ends in them, and the first offset to be returned.

The batch's checksum is right, its format is 2, and it is not compressed or by LZ4. Raises BatchTooLarge, or anything
else for what can't be read.
"""


class BatchConsumer(Consumer):
    """A consumer to be read with `fetched` only. `unpack` is None for lists of aiokafka's records."""

    def __init__(
        self, *topics: str, instruments: KafkaInstruments, unpack: Unpack | None = None, **config: Any
    ) -> None:
        self._instruments = instruments
        self._unpack = unpack
        super().__init__(*topics, **{"fetch_max_bytes": _FETCH_BYTES, **config})

    async def fetched(self, partition: TopicPartition, timeout_ms: int) -> Batches:
        """Return the next records of an assigned partition as lists; nothing after `timeout_ms` without any.

        The consumer's position follows the iteration.
        """
        first = await self.getmany(partition, timeout_ms=timeout_ms, max_records=1)
        return self._lists(partition, first[partition][0]) if first else ()

    def _lists(self, partition: TopicPartition, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        end = time.monotonic() + min(_MAX_TURN_S, _MAX_ROUND_S / max(1, len(self.assignment())))
        while records:
            yield records
            records = self._fetcher.next_list(partition) if time.monotonic() < end else ()

    @property
    def _fetcher(self) -> Any:
        return self._batch_fetcher

    @_fetcher.setter
    def _fetcher(self, fetcher: Any) -> None:
        """Turn the fetcher that aiokafka creates in `start` into one of ours, before it fetches anything."""
        if fetcher is not None:
            fetcher.__class__ = _BatchFetcher
            fetcher.bytes_read = self._instruments.fetched_bytes
            fetcher.unpack = self._unpack
        self._batch_fetcher = fetcher


class _BatchFetcher(Fetcher):  # type: ignore[misc]
    bytes_read: Counter
    unpack: Unpack | None

    def next_list(self, partition: TopicPartition) -> Sequence[Record]:
        """Return the next fetched records of the partition, an empty list when there are none."""
        fetched = self._records.get(partition)
        if type(fetched) is not FetchResult:
            return []
        records: Sequence[Record] | None = fetched.getone()
        if records is None:
            del self._records[partition]
            self._notify(self._wait_consume_future)
        return records or []

    def _get_actions_per_node(self, assignment: Any) -> Any:
        share = _HELD_BYTES // max(1, len(assignment.tps))
        self._max_partition_fetch_bytes = min(_FETCH_BYTES, max(_MIN_PARTITION_BYTES, share))
        return super()._get_actions_per_node(assignment)

    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> Any:
        woken = await super()._proc_fetch_request(assignment, node_id, request)
        for result in self._records.values():
            if type(result) is FetchResult and type(result._partition_records) is ReadableRecords:
                fetched = result._partition_records
                self.bytes_read.labels(fetched._tp.topic, str(fetched._tp.partition)).inc(
                    fetched._records.size_in_bytes()
                )
                _yield_lists(fetched, self.unpack)
        return woken


def _yield_lists(fetched: Any, unpack: Unpack | None = None) -> None:
    """Make what was fetched of a partition yield lists of records."""
    fetched.__class__ = _BatchRecords if unpack is None else _UnpackedBatches
    fetched.unpack = unpack
    fetched._records_iterator = fetched._unpack_records()


class _BatchRecords(ReadableRecords):
    """The fetched bytes of one partition; iterates over lists of records."""

    def _unpack_records(self) -> Iterator[Sequence[Record]]:
        unpacked: list[Record] = []
        for records in self.batches():
            unpacked += records
            if len(unpacked) >= _MIN_LIST_RECORDS:
                yield unpacked
                unpacked = []
        if unpacked:
            yield unpacked

    def _too_large(self, batch: Any, error: BatchTooLarge) -> Iterator[list[Record]]:
        """Yield a record without key and value for each of the batch: they are refused one by one."""
        offsets = range(max(batch.base_offset, self.next_fetch_offset), batch.next_offset)
        for first in range(0, len(offsets), _MIN_LIST_RECORDS):
            part = offsets[first : first + _MIN_LIST_RECORDS]
            self.next_fetch_offset = part[-1] + 1
            yield [OversizedRecord(offset, batch.max_timestamp) for offset in part]


class _UnpackedBatches(_BatchRecords):
    """The same, whose batches are unpacked by `unpack` if they are of a kind that it knows."""

    unpack: Any  # an Unpack

    def _unpack_records(self) -> Iterator[Sequence[Record]]:
        return self.batches()

    def _unpacked(self, batch: Any) -> Sequence[Record]:
        if (place := self._records.place_of_this()) is None:
            return super()._unpacked(batch)
        records: Sequence[Record] = self.unpack(*place, self.next_fetch_offset)
        return records
