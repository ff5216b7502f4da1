"""The results emitted before, read back from the metrics topic when the merge restores.

The place to begin is known by offsets, not by a clock. `ResultPlaces` keeps where the last result of each window that
can still change is, and every commit of the merge contains the offsets from which to read them again. The results of
the same transaction have no offsets yet. They will follow all that was on the topic before, so each partition's known
end at that time is an offset that they don't precede.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from clickstream_core.errors import MalformedMetrics
from clickstream_core.groups import group_of
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, decode_window_metrics
from clickstream_kafka.connection import start_client

MOST_NAMED = 150
"""Partitions of the metrics topic whose offsets are in a commit; its metadata may have 4096 bytes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmittedResult:
    """A result, and where it is on the metrics topic."""

    metrics: WindowMetrics
    partition: int
    offset: int


class ResultPlaces:
    """Where on the metrics topic the last results of windows that can still change are.

    `emitted` are those read back, each window's in order; `ends` is each partition's end at that time.
    """

    def __init__(self, emitted: Iterable[EmittedResult], ends: Sequence[int]) -> None:
        self._ends = list(ends)
        self._places: dict[tuple[str, str], tuple[int, int]] = {}
        revisions: dict[tuple[str, str], int] = {}
        for each in emitted:
            window = _window(each.metrics)
            if each.metrics.revision >= revisions.get(window, 0):
                revisions[window] = each.metrics.revision
                self._places[window] = each.partition, each.offset

    def note(self, metrics: WindowMetrics, partition: int, offset: int) -> None:
        """Note where the result was committed; -1 is an offset that the broker did not return."""
        self._ends += [0] * (partition + 1 - len(self._ends))
        place = offset if offset >= 0 else self._ends[partition]
        self._places[_window(metrics)] = partition, place
        self._ends[partition] = max(place, offset + 1)

    def begin(self, over: int) -> tuple[int, ...]:
        """Return for each partition an offset from which it has the last results of all windows that can still change.

        Those are the windows that end after `over` (milliseconds since the epoch), including the results of the
        transaction that commits this.
        """
        self._places = {window: place for window, place in self._places.items() if parse_timestamp(window[1]) > over}
        begin = self._ends[:]
        for partition, offset in self._places.values():
            begin[partition] = min(begin[partition], offset)
        return tuple(begin[:MOST_NAMED])


def _window(metrics: WindowMetrics) -> tuple[str, str]:
    return metrics.window_start, metrics.window_end


async def emitted_results(
    kafka: Mapping[str, Any],
    topic: str,
    partitions: int,
    group_id: str,
    *,
    over: int,
    begin: Sequence[int] = (),
    beat: Callable[[], None] = lambda: None,
) -> tuple[list[EmittedResult], list[int]]:
    """Return the results that the group emitted for windows that end after `over` (milliseconds since the epoch).

    And each partition's end. `begin` are the offsets to begin at, of the first partitions; the others, and those whose
    offset is beyond the end of a topic that was created again, are read from their beginning. Transactions that another
    processor has open are waited for: results of ours may follow them. Calls `beat` now and then; raises KafkaError.
    Records that are no metrics are skipped with a warning.
    """
    assigned = [TopicPartition(topic, number) for number in range(partitions)]
    ends = await _ends(kafka, assigned)
    consumer = AIOKafkaConsumer(
        **kafka, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await start_client(consumer)
        consumer.assign(assigned)
        firsts = await consumer.beginning_offsets(assigned)
        for partition in assigned:
            named = begin[partition.partition] if partition.partition < len(begin) else 0
            first = firsts[partition]
            consumer.seek(partition, named if first <= named <= ends[partition] else first)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in assigned]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record for record in records if record.offset < ends[TopicPartition(topic, record.partition)]]
            beat()
        decoded = [_decoded(record) for record in found if group_of(record.headers) == group_id]
        kept = [each for each in decoded if each and parse_timestamp(each.metrics.window_end) > over]
        return kept, [ends[partition] for partition in assigned]
    finally:
        await consumer.stop()


async def _ends(kafka: Mapping[str, Any], partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the offsets after the last records, those of open transactions included."""
    consumer = AIOKafkaConsumer(**kafka, enable_auto_commit=False)
    try:
        await start_client(consumer)
        return dict(await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


def _decoded(record: Any) -> EmittedResult | None:
    try:
        return EmittedResult(decode_window_metrics(record.value), record.partition, record.offset)
    except MalformedMetrics as error:
        _log.warning(
            "%s[%d] offset %d: %s",
            record.topic,
            record.partition,
            record.offset,
            error,
            extra={"partition": record.partition, "offset": record.offset},
        )
        return None
