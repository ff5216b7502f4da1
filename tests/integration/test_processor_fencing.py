"""The new owner of a partition's transactional id fences the former one, at the broker and for good."""

import asyncio
import gc

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from clickstream_kafka.records import OutgoingRecord
from clickstream_kafka.transactions import Transactions
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import minutes_ago, regular_stream, sample, start_processor
from kit.topics import PipelineTopics, committed, end_offsets, read_all, send


async def test_a_former_owner_commits_nothing_and_what_it_had_begun_is_undone(topics: PipelineTopics) -> None:
    kafka = {"bootstrap_servers": topics.bootstrap_servers}
    source = TopicPartition(topics.events, 0)

    async def write(transactions: Transactions, value: bytes, offset: int) -> None:
        record = OutgoingRecord(topics.partials, value, partition=0)
        await transactions.run([record], source, offset, "", topics.group_id)

    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context["message"]))
    former = await Transactions.open(kafka, topics.group_id)
    await write(former, b"while it was the owner", 1)
    await former._producer.begin_transaction()
    await former._producer.send_and_wait(topics.partials, b"never committed", partition=0)
    paused = await Transactions.open(kafka, f"{topics.group_id}-idle")
    owner = await Transactions.open(kafka, topics.group_id)
    idle_owner = await Transactions.open(kafka, f"{topics.group_id}-idle")
    await write(owner, b"by the new owner", 2)
    with pytest.raises(KafkaError):
        await former._producer.commit_transaction()
    for zombie in (former, paused):
        with pytest.raises(KafkaError):
            await write(zombie, b"by a zombie", 3)
    for each in (former, paused, owner, idle_owner):
        await each.close()
    del former, paused, zombie
    gc.collect()
    await asyncio.sleep(0)

    assert complaints == []
    written = [each.value for each in read_all(topics.bootstrap_servers, topics.partials)]
    assert written == [b"while it was the owner", b"by the new owner"]
    assert committed(topics.bootstrap_servers, topics.group_id, topics.events) == {0: 2}


async def test_a_merge_that_reads_its_whole_log_ends_before_a_transaction_that_is_open(
    topics: PipelineTopics, apps: Apps
) -> None:
    kafka = {"bootstrap_servers": topics.bootstrap_servers}
    send(topics.bootstrap_servers, topics.events, regular_stream(minutes_ago(3)))
    abandoned = await Transactions.open(kafka, f"{topics.group_id}-abandoned")
    await abandoned._producer.begin_transaction()
    await abandoned._producer.send_and_wait(topics.partials, b"never committed", partition=0)
    assert end_offsets(topics.bootstrap_servers, topics.partials) == {0: 1}
    app = start_processor(apps, topics)
    restored = "clickstream_streams_restore_seconds_count"
    await asyncio.to_thread(lambda: eventually(lambda: sample(app, restored, stage="merge") == 1, 20))
    await abandoned._producer.abort_transaction()
    await abandoned.close()

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
