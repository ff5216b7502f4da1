"""kstreams' consumer, whose records come in lists as they were decoded.

aiokafka makes a ConsumerRecord of each fetched record and hands it through a generator and a loop; that costs more than
decoding the event in it. The record that its C code makes of the log's bytes already has offset, timestamp, key and
value. So this consumer's fetcher unpacks whole record batches into lists of those. `fetched` hands over one list after
the other, each unpacked when the one before was counted: its bytes are in the core's cache when they are decoded. What
aiokafka does around it stays: CRCs, skipping aborted transactions and control records, positions, assignments. What
can't be read is skipped (`clickstream_kafka.unreadable`): the events in it are lost, and it is counted and named. Of a
batch that unpacks to too much, each record is handed over without what it holds, so that each is a dead letter.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from kstreams import Consumer

from clickstream_kafka.patches.aiokafka_unreadable import ReadableRecords, skip_unreadable_batches
from clickstream_kafka.patches.bounded_unpacking import BatchTooLarge
from clickstream_kafka.unreadable import Unreadable
from clickstream_streams import instruments
from clickstream_streams.columns import OversizedRecord, Record

_LIST = 250
"""Records after which a list is handed over, though more were fetched."""

_LONGEST_TURN = 0.1
"""Seconds after which other partitions have their turn, though more were fetched.

As long as it is the turn of one partition, the sets and maps of its windows stay in the core's cache. That is some
60,000 events, but far fewer records that are refused.
"""

_LONGEST_ROUND = 0.5
"""Seconds until all partitions of a replica have had a turn: heartbeats and answers have theirs in between."""

_FETCH_BYTES = 8 * 1024 * 1024
"""Bytes in a broker's answer, which may be those of one partition."""

_HELD_BYTES = 64 * 1024 * 1024
"""Bytes that a replica may hold before they are taken: its partitions share them, with _LEAST_BYTES for each."""

_LEAST_BYTES = 1024 * 1024


class BatchConsumer(Consumer):
    """A consumer to be read with `fetched` only."""

    def __init__(self, *topics: str, **config: Any) -> None:
        super().__init__(*topics, **{"fetch_max_bytes": _FETCH_BYTES, **config})

    async def fetched(self, partition: TopicPartition, timeout_ms: int) -> Iterable[Sequence[Record]]:
        """Return the next records of an assigned partition as lists; nothing after `timeout_ms` without any.

        The consumer's position follows the iteration.
        """
        first = await self.getmany(partition, timeout_ms=timeout_ms, max_records=1)
        return self._lists(partition, first[partition][0]) if first else ()

    def _lists(self, partition: TopicPartition, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        end = time.monotonic() + min(_LONGEST_TURN, _LONGEST_ROUND / max(1, len(self.assignment())))
        while records:
            yield records
            records = self._fetcher.next_list(partition) if time.monotonic() < end else ()

    @property
    def _fetcher(self) -> Any:
        return self._batch_fetcher

    @_fetcher.setter
    def _fetcher(self, fetcher: Any) -> None:
        """Make the fetcher that aiokafka creates in `start` one of ours, before it fetches anything."""
        if fetcher is not None:
            fetcher.__class__ = _BatchFetcher
        self._batch_fetcher = fetcher


class _BatchFetcher(Fetcher):  # type: ignore[misc]
    def next_list(self, partition: TopicPartition) -> Sequence[Record]:
        """Return the next records that were fetched of the partition, an empty list when all were taken."""
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
        self._max_partition_fetch_bytes = min(_FETCH_BYTES, max(_LEAST_BYTES, share))
        return super()._get_actions_per_node(assignment)

    async def _proc_fetch_request(self, assignment: Any, node_id: Any, request: Any) -> Any:
        woken = await super()._proc_fetch_request(assignment, node_id, request)
        for result in self._records.values():
            if type(result) is FetchResult and type(result._partition_records) is ReadableRecords:
                _hand_over_lists(result._partition_records)
        return woken


def _hand_over_lists(fetched: Any) -> None:
    fetched.__class__ = _BatchRecords
    fetched._records_iterator = fetched._unpack_records()
    bytes_read = instruments.FETCHED_BYTES.labels(fetched._tp.topic, str(fetched._tp.partition))
    bytes_read.inc(fetched._records.size_in_bytes())


class _BatchRecords(ReadableRecords):
    """The fetched bytes of one partition; iterates over lists of records."""

    def _unpack_records(self) -> Iterator[list[Record]]:
        unpacked: list[Record] = []
        for records in self.batches():
            unpacked += records
            if len(unpacked) >= _LIST:
                yield unpacked
                unpacked = []
        if unpacked:
            yield unpacked

    def _too_large(self, batch: Any, error: BatchTooLarge) -> Iterator[list[Record]]:
        """Yield a record without value for each of the batch, in lists: they are refused one by one."""
        offsets = range(max(batch.base_offset, self.next_fetch_offset), batch.next_offset)
        for first in range(0, len(offsets), _LIST):
            part = offsets[first : first + _LIST]
            self.next_fetch_offset = part[-1] + 1
            yield [OversizedRecord(offset, batch.max_timestamp) for offset in part]


skip_unreadable_batches(
    Unreadable(lambda topic, partition, count: instruments.UNREADABLE.labels(topic, str(partition)).inc(count))
)
