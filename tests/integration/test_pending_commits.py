"""A commit is read only when the brokers have settled it: the old one would be counted from twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import OffsetAndMetadata

from clickstream_kafka import offsets
from clickstream_kafka.errors import CommitUndecided
from clickstream_kafka.offsets import committed_offsets
from clickstream_kafka.tasks import describe
from clickstream_kafka.transactions import Transactions
from kit.topics import PipelineTopics

NONE, OLD, NEW = None, OffsetAndMetadata(1, "old"), OffsetAndMetadata(2, "new")


@asynccontextmanager
async def committing(topics: PipelineTopics) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaProducer]]:
    """Give clients; the producer has committed OLD for partition 0 and has NEW in a transaction that is open."""
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers, transactional_id=topics.group_id)
    await admin.start()
    await producer.start()
    source = TopicPartition(topics.events, 0)
    async with producer.transaction():
        await producer.send_offsets_to_transaction({source: OLD}, topics.group_id)
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({source: NEW}, topics.group_id)
    yield admin, producer
    await producer.stop()
    await admin.close()


@pytest.mark.parametrize("committed", [True, False])
async def test_a_commit_that_is_on_its_way_is_waited_for(topics: PipelineTopics, committed: bool) -> None:
    partitions = [TopicPartition(topics.events, number) for number in (0, 1)]
    async with committing(topics) as (admin, producer), asyncio.timeout(20):
        asking = asyncio.create_task(committed_offsets(admin, topics.group_id, partitions))
        done, _ = await asyncio.wait((asking,), timeout=1)
        assert not done
        await (producer.commit_transaction() if committed else producer.abort_transaction())
        assert await asking == {partitions[0]: NEW if committed else OLD, partitions[1]: NONE}


async def test_a_commit_that_stays_undecided_has_a_name(
    topics: PipelineTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offsets, "_TIMEOUT_S", 1.0)
    partitions = [TopicPartition(topics.events, number) for number in (0, 1)]
    async with committing(topics) as (admin, _):
        with pytest.raises(CommitUndecided) as raised:
            await committed_offsets(admin, topics.group_id, partitions)
    assert describe(raised.value) == (
        f"a transaction of {topics.group_id} with a commit for {topics.events}[0] is neither committed nor aborted"
    )


async def test_a_successor_reads_what_was_committed_before(topics: PipelineTopics) -> None:
    source = TopicPartition(topics.events, 0)
    async with committing(topics) as (admin, producer), asyncio.timeout(20):
        await producer.commit_transaction()
        successor = await Transactions.open({"bootstrap_servers": topics.bootstrap_servers}, topics.group_id)
        assert await committed_offsets(admin, topics.group_id, [source]) == {source: NEW}
        await successor.close()
