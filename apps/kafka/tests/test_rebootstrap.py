"""Clients whose brokers have moved: the addresses that they know now belong to other programs."""

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.structs import BrokerMetadata
from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaConnectionError
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.protocol.metadata import MetadataResponse

from clickstream_kafka.patches import aiokafka_rebootstrap, kafka_python_joins, kafka_python_rebootstrap
from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.moving import Stranger, Void
from kit.poll import eventually
from kit.topics import PipelineTopics, create_topics, read_all

AFTER_S = 0.6
SOON = 15.0
COUNT = 30

OLD_ADDRESSES = [
    pytest.param(lambda port: nullcontext(), id="nothing"),
    pytest.param(Stranger, id="one-who-says-nothing"),
    pytest.param(lambda port: Stranger(port, b"\0\0\0\x10HTTP/1.1 400 Bad"), id="one-who-talks-nonsense"),
    pytest.param(Void, id="a-firewall-that-drops-packets"),
]
AtOldAddress = Callable[[int], AbstractContextManager[object]]


@pytest.fixture
def _after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients ask the bootstrap servers again after AFTER_S; the libraries are unpatched after the test."""
    for owner, name in (
        (AIOKafkaClient, "bootstrap"),
        (AIOKafkaClient, "close"),
        (AIOKafkaClient, "_get_conn"),
        (AIOKafkaConnection, "_handle_frame"),
        (KafkaConnectionManager, "__init__"),
        (KafkaConnection, "_maybe_throttle"),
        (ConsumerCoordinator, "need_rejoin"),
    ):
        monkeypatch.setattr(owner, name, inspect.unwrap(getattr(owner, name)))  # as the library has it
    aiokafka_rebootstrap.apply(AFTER_S)
    kafka_python_rebootstrap.apply(AFTER_S)
    kafka_python_joins.apply()


pytestmark = pytest.mark.usefixtures("_after_a_moment")


def mislead_aiokafka(client: AIOKafkaClient, port: int) -> None:
    cluster = client.cluster
    cluster._brokers = {each: BrokerMetadata(each, "127.0.0.1", port, None) for each in cluster._brokers}
    for connection in list(client._conns.values()):
        connection.close(reason=CloseReason.CONNECTION_BROKEN)


def mislead_kafka_python(manager: KafkaConnectionManager, port: int) -> None:
    def mislead() -> None:
        broker = MetadataResponse.MetadataResponseBroker
        for known in (manager.cluster._brokers, manager.cluster._coordinator_brokers):
            known.update({each: broker(each, "127.0.0.1", port, None) for each in known})
        for connection in list(manager._conns.values()):
            connection.close(KafkaConnectionError("moved"))

    manager._net.call_soon_threadsafe(mislead)  # by the thread that moves everything of the client


def values(topics: PipelineTopics) -> list[int]:
    return [int(each.value or b"") for each in read_all(topics.bootstrap_servers, topics.events)]


@pytest.mark.parametrize("at_the_old_address", OLD_ADDRESSES)
async def test_a_producer_of_aiokafka_goes_on_without_loss_and_without_duplicates(
    make_topics: Callable[..., PipelineTopics], at_the_old_address: AtOldAddress
) -> None:
    topics, port = make_topics(partitions=1), free_port()

    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topics.events, b"0")
        with at_the_old_address(port):
            mislead_aiokafka(producer.client, port)
            sent = [await producer.send(topics.events, str(each).encode()) for each in range(1, COUNT)]
            async with asyncio.timeout(SOON):
                await asyncio.gather(*sent)
    finally:
        await producer.stop()
    assert values(topics) == list(range(COUNT))


@pytest.mark.parametrize("at_the_old_address", OLD_ADDRESSES)
async def test_a_member_of_a_group_of_aiokafka_goes_on(
    make_topics: Callable[..., PipelineTopics], at_the_old_address: AtOldAddress
) -> None:
    topics, port = make_topics(partitions=1), free_port()

    consumer = AIOKafkaConsumer(
        topics.events,
        bootstrap_servers=topics.bootstrap_servers,
        group_id=topics.group_id,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    await consumer.start()
    await producer.start()
    try:
        with at_the_old_address(port):
            mislead_aiokafka(consumer._client, port)
            await producer.send_and_wait(topics.events, b"7")
            async with asyncio.timeout(SOON):
                record = await consumer.getone()
                await consumer.commit()
                assert record.value == b"7"
    finally:
        await consumer.stop()
        await producer.stop()


async def test_a_client_that_is_idle_keeps_its_connections(topics: PipelineTopics) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(topics.events, b"0")
        before = list(producer.client._conns.values())
        await asyncio.sleep(4 * AFTER_S)
        after = list(producer.client._conns.values())
    finally:
        await producer.stop()
    assert before
    assert before == after


async def test_a_broker_that_was_paused_where_it_is_keeps_its_connections(own_broker: Broker) -> None:
    topics = create_topics(own_broker.bootstrap_servers)

    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(topics.events, b"0")
        before = list(producer.client._conns.values())
        own_broker.pause()
        sent = asyncio.create_task(producer.send_and_wait(topics.events, b"1"))
        await asyncio.sleep(6 * AFTER_S)
        own_broker.resume()
        await sent
        connected = [connection for connection in before if connection.connected()]
    finally:
        await producer.stop()
    assert before
    assert before == connected


@pytest.mark.parametrize("at_the_old_address", OLD_ADDRESSES)
def test_a_producer_of_kafka_python_goes_on_without_loss_and_without_duplicates(
    make_topics: Callable[..., PipelineTopics], at_the_old_address: AtOldAddress
) -> None:
    topics, port = make_topics(partitions=1), free_port()
    producer = KafkaProducer(
        bootstrap_servers=topics.bootstrap_servers, enable_idempotence=True, acks="all", reconnect_backoff_max_ms=1000
    )
    try:
        producer.send(topics.events, b"0").get(timeout=SOON)
        with at_the_old_address(port):
            mislead_kafka_python(producer._sender._client._manager, port)
            sent = [producer.send(topics.events, str(each).encode()) for each in range(1, COUNT)]
            for each in sent:
                each.get(timeout=SOON)
    finally:
        producer.close(timeout=5)
    assert values(topics) == list(range(COUNT))


@pytest.mark.parametrize("at_the_old_address", OLD_ADDRESSES)
def test_a_member_of_a_group_of_kafka_python_goes_on(
    make_topics: Callable[..., PipelineTopics], at_the_old_address: AtOldAddress
) -> None:
    topics, port = make_topics(partitions=1), free_port()
    consumer = KafkaConsumer(
        topics.events,
        bootstrap_servers=topics.bootstrap_servers,
        group_id=topics.group_id,
        auto_offset_reset="earliest",
        reconnect_backoff_max_ms=1000,
        metadata_max_age_ms=1000,
    )
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    try:
        eventually(lambda: consumer.poll(100) or consumer.assignment(), SOON)
        with at_the_old_address(port):
            mislead_kafka_python(consumer._manager, port)
            producer.send(topics.events, b"7").get(timeout=SOON)
            found = eventually(lambda: consumer.poll(100), SOON)
            consumer.commit(timeout_ms=int(SOON * 1000))
    finally:
        producer.close(timeout=5)
        consumer.close(timeout_ms=5000)
    assert [record.value for records in found.values() for record in records] == [b"7"]
