"""What the topics have and the archive does not: records behind the last archived one, and whole partitions.

They are lost if the sink has read them, else they are not archived yet. The sink notes how far it has read, in its
consumer group, when it has written files, and only then commits those to the table. So its offsets are to be read
before the table, and what is missing by them only counts if no commit was under way (`from_archive`).
"""

from collections.abc import Iterator, Mapping, Sequence

from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.topic_log import TopicLog, TopicUnavailable

Position = Mapping[tuple[str, int], int]
"""The offset up to which the sink has read each topic and partition."""


def read_by_sink(log: TopicLog, group: str) -> Position:
    """Return how far the sink of a group has read; nothing for a user that may read the topics, but not the group."""
    try:
        return log.committed(group)
    except TopicUnavailable:
        return {}


def explain(log: TopicLog, partition: PartitionOffsets, read: Position) -> None:
    """Note a partition's bounds in the topic, what its gaps are, and what the sink has read behind its last record."""
    begin, end = log.bounds(partition.topic).get(partition.partition, (0, 0))
    if end <= partition.last:
        return  # another topic of that name, or none
    partition.begins_at, partition.ends_at = begin, end
    behind = list(_behind(partition, begin, min(end, read.get((partition.topic, partition.partition), 0))))
    partition.gaps = list(log.explained(partition.topic, partition.partition, partition.gaps))
    explained = list(log.explained(partition.topic, partition.partition, behind))
    if any(each.cause in (Cause.MISSING, Cause.UNKNOWN) for each in explained):
        partition.gaps += [_read(each) for each in explained]


def _behind(partition: PartitionOffsets, begin: int, read: int) -> Iterator[Gap]:
    """What the topic no longer holds behind the last archived record, and what the sink has read."""
    last = max(begin, read) - 1
    if last > partition.last:
        yield Gap(partition.last + 1, last, partition.last_at, None)


def _read(gap: Gap) -> Gap:
    return gap if gap.cause is not Cause.MISSING else gap.part(gap.first, gap.last, gap.cause, READ_BY_SINK)


READ_BY_SINK = "the topic has them, and the sink has read them"


def unarchived(
    log: TopicLog, settings: ArchiveSettings, partitions: Sequence[PartitionOffsets], read: Position
) -> list[PartitionOffsets]:
    """Return the partitions that only the topics have: what the sink has read of them is missing, the rest unknown."""
    archived = {(each.topic, each.partition) for each in partitions}
    found = []
    for topic in (settings.events_topic, settings.metrics_topic, settings.dead_letter_topic):
        for partition, (begin, end) in log.bounds(topic).items():
            if (topic, partition) in archived or begin >= end:
                continue
            gaps = list(_gaps(log, topic, partition, begin, end, min(read.get((topic, partition), begin), end)))
            found.append(PartitionOffsets(topic, partition, begin, begin - 1, 0, gaps, [], begin, end))
    return found


def _gaps(log: TopicLog, topic: str, partition: int, begin: int, end: int, read: int) -> Iterator[Gap]:
    if begin < read:
        yield from map(_read, log.explained(topic, partition, [Gap(begin, read - 1, None, None)]))
    if max(begin, read) < end:
        yield Gap(max(begin, read), end - 1, None, None, Cause.UNKNOWN, "not archived yet, or lost")


def dead_letters_read(
    log: TopicLog, settings: ArchiveSettings, partitions: Sequence[PartitionOffsets], read: Position
) -> bool:
    """Whether there are no dead letters behind the last archived ones."""
    topic = settings.dead_letter_topic
    archived = {each.partition: each.last for each in partitions if each.topic == topic and each.rows}
    return not any(
        log.has_records(topic, partition, max(archived.get(partition, -1) + 1, read.get((topic, partition), 0)))
        for partition in log.bounds(topic)
    )
