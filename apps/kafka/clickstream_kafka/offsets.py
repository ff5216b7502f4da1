"""Committed offsets and the bounds of logs: requests to the brokers, repeated until they are answered."""

import asyncio
import logging
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from clickstream_kafka.errors import CommitUndecided
from clickstream_kafka.records import LogBounds
from clickstream_kafka.stable_offsets import stable_offsets

_TIMEOUT_S = 30.0
_RETRY_PAUSE_S = 0.1

_log = logging.getLogger(__name__)


async def committed_offsets(
    admin: AIOKafkaAdminClient, group_id: str, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata | None]:
    """Return the group's commit of each partition, None for one without.

    A coordinator that is still loading returns no partitions, and one whose transaction is undecided returns no offset
    for it: only an answer for every partition counts, in which -1 means no commit. After 30 s TimeoutError is raised,
    as CommitUndecided if it is a transaction that is waited for.
    """
    found: dict[TopicPartition, OffsetAndMetadata | None] = {}
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                try:
                    found |= await stable_offsets(admin, group_id, [p for p in partitions if found.get(p) is None])
                except KafkaError as error:
                    _log.debug("requesting the commits of %s again: %r", group_id, error)
                if all(found.get(partition) for partition in partitions):
                    break
                await asyncio.sleep(_RETRY_PAUSE_S)
    except TimeoutError:
        undecided = [f"{each.topic}[{each.partition}]" for each, at in found.items() if at is None]
        if not undecided:
            raise
        raise CommitUndecided(
            f"a transaction of {group_id} with a commit for {', '.join(undecided)} is neither committed nor aborted"
        ) from None
    return {partition: at if at and at.offset >= 0 else None for partition, at in found.items()}


async def committed_offset(
    admin: AIOKafkaAdminClient, group_id: str, partition: TopicPartition
) -> OffsetAndMetadata | None:
    """Return the group's commit of one partition, or None; as `committed_offsets`."""
    return (await committed_offsets(admin, group_id, [partition]))[partition]


async def committed_metadata(admin: AIOKafkaAdminClient, group_id: str, topic: str) -> list[str]:
    """Return the metadata of the group's commits, of the topic's partitions that have one; "" is without metadata.

    Raises TimeoutError, and KafkaError when the topic can't be described.
    """
    partitions = [TopicPartition(topic, number) for number in range(await partition_count(admin, topic))]
    committed = await committed_offsets(admin, group_id, partitions)
    return [found.metadata for found in committed.values() if found is not None]


async def log_bounds(
    consumer: AIOKafkaConsumer, partition: TopicPartition, committed: OffsetAndMetadata | None
) -> LogBounds:
    """Return the log's bounds.

    A broker that has just become the leader may not know the log's end yet, so an end before the committed offset is
    believed only after 30 s.
    """
    began = asyncio.get_running_loop().time()
    while True:
        first = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        timed_out = asyncio.get_running_loop().time() - began >= _TIMEOUT_S
        if committed is None or committed.offset <= end or timed_out:
            return LogBounds(first, end)
        await asyncio.sleep(_RETRY_PAUSE_S)


async def partition_count(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Return how many partitions the topic has; raises KafkaError, UnknownTopicOrPartitionError among them."""
    described = (await admin.describe_topics([topic]))[0]
    if described["error_code"]:
        raise for_code(described["error_code"])(topic)
    return len(described["partitions"])
