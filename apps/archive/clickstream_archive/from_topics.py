"""Evidence from the live topics, for what they still hold.

The order matters while the processor runs: first its committed offsets, then the ends of its results and dead letters,
and of the events only those before the commit. What is before the commit was processed in transactions that are over,
so its dead letters are among those read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from clickstream_archive.errors import ArchiveError
from clickstream_archive.evidence import Evidence, Headers
from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.topic_log import RecordsDeleted, TopicLog

_SOURCE_HEADERS = {
    "app": "app",
    "group": "group",
    "reason": "reason",
    "source_topic": "source-topic",
    "source_partition": "source-partition",
    "source_offset": "source-offset",
    "receipt": "receipt",
}

Advance = Callable[[int], None]
Add = Callable[[Sequence[Any]], None]


def gather_topics(
    evidence: Evidence, log: TopicLog, settings: ArchiveSettings, group: str, advance: Advance
) -> list[PartitionOffsets]:
    """Fill the evidence, and return the offsets of each topic partition that were read.

    Raises ArchiveError when a topic does not exist or the group has processed nothing.
    """
    committed = log.committed(group)
    processed = {
        partition: offset for (topic, partition), offset in committed.items() if topic == settings.events_topic
    }
    if not processed:
        raise ArchiveError(
            f"GROUP_ID={group}: this group has committed nothing on {settings.events_topic};"
            " expected the processor's GROUP_ID"
        )
    topics = (settings.dead_letter_topic, settings.metrics_topic, settings.events_topic)
    bounds = {topic: log.bounds(topic) for topic in topics}
    for topic in topics:
        if not bounds[topic]:
            raise ArchiveError(f"there is no topic {topic}")
    bounds[settings.events_topic] = {
        partition: (begin, min(end, processed.get(partition, begin)))
        for partition, (begin, end) in bounds[settings.events_topic].items()
    }
    adding: dict[str, Add] = {
        settings.events_topic: lambda records: evidence.add_events(*_places(records), [each.value for each in records]),
        settings.dead_letter_topic: lambda records: evidence.add_dead_letters(*_places(records), _headers(records)),
        settings.metrics_topic: lambda records: evidence.add_results(
            *_places(records), [each.value for each in records], _headers(records)
        ),
    }
    return [
        found
        for topic in topics
        for partition, (begin, end) in bounds[topic].items()
        if begin < end and (found := _read(log, topic, partition, begin, end, adding[topic], advance)) is not None
    ]


def _read(
    log: TopicLog, topic: str, partition: int, begin: int, end: int, add: Add, advance: Advance
) -> PartitionOffsets | None:
    found: PartitionOffsets | None = None
    previous_at: int | None = None
    for records, deleted_to in _records(log, topic, partition, begin, end):
        add(records)
        advance(len(records))
        for each in records:
            if found is None:
                begins_at = max(begin, deleted_to)
                found = PartitionOffsets(
                    topic, partition, each.offset, each.offset, 0, begins_at=begins_at, ends_at=end
                )
            elif each.offset > found.last + 1:
                gap = Gap(found.last + 1, each.offset - 1, previous_at, each.timestamp)
                found.gaps += _caused(gap, deleted_to)
            found.last, found.rows, previous_at = each.offset, found.rows + 1, each.timestamp
    return found


def _records(log: TopicLog, topic: str, partition: int, begin: int, end: int) -> Iterator[tuple[Sequence[Any], int]]:
    """Yield the records in lists, each with the offset before which retention deleted records while they were read."""
    position, deleted_to = begin, 0
    while position < end:
        try:
            for records in log.records(topic, partition, position, end):
                yield records, deleted_to
                position = records[-1].offset + 1
            return
        except RecordsDeleted as error:
            position = deleted_to = error.begins_at


def _caused(gap: Gap, deleted_to: int) -> Iterator[Gap]:
    """Offsets between records are markers', but for those that retention has deleted."""
    if gap.first < deleted_to:
        last = min(gap.last, deleted_to - 1)
        yield gap.part(gap.first, last, Cause.UNKNOWN, "deleted by retention while the topic was read")
    if max(gap.first, deleted_to) <= gap.last:
        yield gap.part(max(gap.first, deleted_to), gap.last, Cause.MARKERS)


def _places(records: Sequence[Any]) -> tuple[list[int], list[int], list[int]]:
    return (
        [each.partition for each in records],
        [each.offset for each in records],
        [each.timestamp for each in records],
    )


def _headers(records: Sequence[Any]) -> Headers:
    return {name: [_header(each, header) for each in records] for name, header in _SOURCE_HEADERS.items()}


def _header(record: Any, name: str) -> str | None:
    values = [value for each, value in record.headers if each == name]
    return (values[-1] or b"").decode(errors="replace") if values else None
