"""Partitions of which nothing is archived, as far as the archive itself shows that they exist.

A receipt on the metrics topic names the partitions that it counted, and partitions are numbered from 0 without a gap.
"""

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from clickstream_archive.moments import NEVER
from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.settings import ArchiveSettings

_LOST = "nothing of the partition is archived, but results counted records of it"
_EMPTY_OR_LOST = "and all others of the partition are not archived: it is empty, or lost"


def absent_partitions(
    connection: DuckDBPyConnection,
    settings: ArchiveSettings,
    partitions: Sequence[PartitionOffsets],
    *,
    counted_since: int | None,
    unasked: bool,
) -> list[PartitionOffsets]:
    """Return partitions that are not among these, with what is known to be missing of them.

    `counted_since` is from when on all events of a window should be there, in milliseconds since the epoch, None for
    always. With `unasked`, when Kafka did not name the partitions, numbers that are left out are found too.
    """
    known = {(each.topic, each.partition) for each in partitions}
    found = [
        PartitionOffsets(topic, partition, first, first - 1, 0, [Gap(first, last, None, None, Cause.MISSING, _LOST)])
        for topic, partition, first, last in _counted(connection, settings.events_topic, counted_since)
        if (topic, partition) not in known
    ]
    if not unasked:
        return found
    known |= {(each.topic, each.partition) for each in found}
    for topic in (settings.events_topic, settings.metrics_topic, settings.dead_letter_topic):
        numbers = {partition for of_topic, partition in known if of_topic == topic}
        found += [
            PartitionOffsets(topic, number, 0, -1, 0, [Gap(0, 0, None, None, Cause.UNKNOWN, _EMPTY_OR_LOST)])
            for number in range(max(numbers, default=-1))
            if number not in numbers
        ]
    return found


def _counted(connection: DuckDBPyConnection, topic: str, counted_since: int | None) -> list[tuple[str, int, int, int]]:
    return connection.execute(
        'SELECT ?, "partition", min("first"), max("last") FROM shares WHERE window_start >= ? GROUP BY 2',
        [topic, NEVER if counted_since is None else counted_since],
    ).fetchall()
