"""What was emitted before: the results on the metrics topic, read back when the merge restores."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from clickstream_core.errors import MalformedMetrics
from clickstream_core.groups import group_of
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, decode_window_metrics
from clickstream_streams.transactions import start_client
from clickstream_streams.windows import NEVER

_MARGIN = 60 * 60 * 1000
"""Milliseconds that brokers' and our own clocks may differ."""

_LONGEST_LOOKUP = 5.0

_log = logging.getLogger(__name__)


async def emitted_results(
    kafka: Mapping[str, Any], topic: str, partitions: int, group_id: str, over: int, max_clock_skew: int
) -> list[WindowMetrics]:
    """Return all revisions that the group emitted for windows that end after `over` (milliseconds since the epoch).

    A result is written up to `max_clock_skew` milliseconds before its window's end, as watermarks may be so far ahead.
    Reads to the end of committed records; raises KafkaError. Records that are no metrics are skipped with a warning.
    """
    consumer = AIOKafkaConsumer(
        **kafka, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await start_client(consumer)
        assigned = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        for partition, offset in (await _starts(consumer, assigned, over, max_clock_skew)).items():
            consumer.seek(partition, ends[partition] if offset is None else offset)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in assigned]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [record for record in records if record.offset < ends[TopicPartition(topic, record.partition)]]
        decoded = [_decoded(record) for record in found if group_of(record.headers) == group_id]
        return [metrics for metrics in decoded if metrics and parse_timestamp(metrics.window_end) > over]
    finally:
        await consumer.stop()


async def _starts(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], over: int, max_clock_skew: int
) -> dict[TopicPartition, int | None]:
    if over == NEVER:
        return dict(await consumer.beginning_offsets(partitions))
    since = max(0, over - max_clock_skew - _MARGIN)
    try:
        async with asyncio.timeout(_LONGEST_LOOKUP):
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
    except (KafkaTimeoutError, TimeoutError):  # the broker unpacks the batch in which a time lies; it may be damaged
        return dict(await consumer.beginning_offsets(partitions))
    return {partition: place.offset if place else None for partition, place in found.items()}


def _decoded(record: Any) -> WindowMetrics | None:
    try:
        return decode_window_metrics(record.value)
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
