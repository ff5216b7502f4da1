"""Topic partitions with records of which the archive has none."""

from collections.abc import Iterator, Sequence

from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.topic_log import TopicLog, TopicUnavailable

_SINK_GROUP = "connect-clickstream-archive"
"""The connector's consumer group, as Kafka Connect names it."""


def unarchived(
    log: TopicLog, settings: ArchiveSettings, partitions: Sequence[PartitionOffsets]
) -> list[PartitionOffsets]:
    """Return the partitions that only the topics have: what the sink has read of them is missing, the rest unknown."""
    archived = {(each.topic, each.partition) for each in partitions}
    found = []
    for topic in (settings.events_topic, settings.metrics_topic, settings.dead_letter_topic):
        read: dict[int, int] | None = None
        for partition, (begin, end) in log.bounds(topic).items():
            if (topic, partition) in archived or begin >= end:
                continue
            read = _read_by_sink(log, topic) if read is None else read
            gaps = list(_gaps(log, topic, partition, begin, end, min(read.get(partition, begin), end)))
            found.append(PartitionOffsets(topic, partition, begin, begin - 1, 0, gaps, [], begin, end))
    return found


def _gaps(log: TopicLog, topic: str, partition: int, begin: int, end: int, read: int) -> Iterator[Gap]:
    if begin < read:
        yield from log.explained(topic, partition, [Gap(begin, read - 1, None, None)])
    if max(begin, read) < end:
        yield Gap(max(begin, read), end - 1, None, None, Cause.UNKNOWN, "not archived yet, or lost")


def _read_by_sink(log: TopicLog, topic: str) -> dict[int, int]:
    try:
        return log.committed(_SINK_GROUP, topic)
    except TopicUnavailable:
        return {}  # a user that may read the topics, and not the group
