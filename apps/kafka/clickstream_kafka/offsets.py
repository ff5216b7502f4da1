"""What the groups have committed and what the topics hold: questions to the brokers, asked until they are answered."""

import asyncio
import logging
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from clickstream_kafka.stable_offsets import stable_offsets
from clickstream_streams.commits import EventsCommit, decode_commit
from clickstream_streams.resume import LogBounds

_PATIENCE = 30.0
_PAUSE = 0.1

_log = logging.getLogger(__name__)


async def committed_offsets(
    admin: AIOKafkaAdminClient, group_id: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata | None]:
    """Return the group's commit of each partition, None for one without.

    A coordinator that is still loading answers with nothing at all, and an offset whose transaction is not settled is
    waited for; only an answer for every partition counts, and -1 is its word for no commit. Raises TimeoutError after
    30 s.
    """
    found: dict[TopicPartition, OffsetAndMetadata] = {}
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                found |= await stable_offsets(admin, group_id, [p for p in partitions if p not in found])
            except KafkaError as error:
                _log.debug("asking for the commits of %s again: %r", group_id, error)
            if all(partition in found for partition in partitions):
                return {p: found[p] if found[p].offset >= 0 else None for p in partitions}
            await asyncio.sleep(_PAUSE)


async def committed_offset(
    admin: AIOKafkaAdminClient, group_id: str, partition: TopicPartition
) -> OffsetAndMetadata | None:
    """Return the group's commit of one partition, or None; as `committed_offsets`."""
    return (await committed_offsets(admin, group_id, [partition]))[partition]


async def events_commits(admin: AIOKafkaAdminClient, group_id: str, topic: str) -> list[EventsCommit]:
    """Return what stage 1 of the group has committed, of the topic's partitions that have a commit with metadata.

    Raises TimeoutError, and KafkaError when the topic can't be described.
    """
    partitions = [TopicPartition(topic, number) for number in range(await partition_count(admin, topic))]
    committed = await committed_offsets(admin, group_id, partitions)
    decoded = (decode_commit(found.metadata, EventsCommit) for found in committed.values() if found is not None)
    return [commit for commit in decoded if commit is not None]


async def log_bounds(
    consumer: AIOKafkaConsumer, partition: TopicPartition, committed: OffsetAndMetadata | None
) -> LogBounds:
    """Return the log's bounds.

    A broker that has just become the leader may know less of the log's end than was committed, so an end before the
    commit is only believed after 30 s.
    """
    asked = asyncio.get_running_loop().time()
    while True:
        first = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        patient = asyncio.get_running_loop().time() - asked < _PATIENCE
        if committed is None or committed.offset <= end or not patient:
            return LogBounds(first, end)
        await asyncio.sleep(_PAUSE)


async def partition_count(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Return how many partitions the topic has; raises KafkaError, UnknownTopicOrPartitionError among them."""
    described = (await admin.describe_topics([topic]))[0]
    if described["error_code"]:
        raise for_code(described["error_code"])(topic)
    return len(described["partitions"])
