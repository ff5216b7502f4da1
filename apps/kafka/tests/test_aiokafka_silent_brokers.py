"""What becomes of requests to a broker that takes connections and answers nothing."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.protocol.group import SyncGroupRequest
from aiokafka.protocol.metadata import MetadataRequest

from clickstream_kafka.patches import aiokafka_silent_brokers

SHORT, LONG = 0.1, 60.0


class Handshake:
    """The step after connecting: a broker that hangs does not complete it."""

    def __init__(self) -> None:
        self.hangs = False

    async def __call__(self, connection: AIOKafkaConnection) -> None:
        connection._versions = {SyncGroupRequest.API_KEY: (0, 3), MetadataRequest.API_KEY: (0, 5)}
        if self.hangs:
            await asyncio.Event().wait()


@pytest.fixture
def handshake(monkeypatch: pytest.MonkeyPatch) -> Handshake:
    """The handshake of all connections of this test, in which an answer has 0.1 s and everything else a minute."""
    handshake = Handshake()
    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", lambda connection: handshake(connection))
    for name in ("send", "connect"):
        monkeypatch.setattr(AIOKafkaConnection, name, inspect.unwrap(getattr(AIOKafkaConnection, name)))
    for name in ("_REBALANCE_TIMEOUT_S", "_CONNECT_TIMEOUT_S", "_SUSPECT_TIMEOUT_S"):
        monkeypatch.setattr(aiokafka_silent_brokers, name, LONG)
    monkeypatch.setattr(aiokafka_silent_brokers, "_ANSWER_TIMEOUT_S", SHORT)
    aiokafka_silent_brokers.apply()
    return handshake


@asynccontextmanager
async def silent_broker() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says anything."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        over.set()


async def connect(port: int, **options: Any) -> AIOKafkaConnection:
    connection = AIOKafkaConnection("127.0.0.1", port, **options)
    await connection.connect()
    return connection


def question() -> ApiVersionRequest:
    return ApiVersionRequest()


def other_question() -> MetadataRequest:
    return MetadataRequest([])


def rebalance() -> SyncGroupRequest:
    return SyncGroupRequest("group", 1, "member", None, [])


@pytest.mark.usefixtures("handshake")
async def test_a_connection_that_does_not_answer_is_closed_and_all_that_waited_may_be_asked_again() -> None:
    async with silent_broker() as port:
        connection = await connect(port)
        behind = asyncio.ensure_future(connection.send(rebalance()))
        with pytest.raises(TimeoutError):
            await connection.send(question())
        assert not connection.connected()
        with pytest.raises(RequestTimedOutError, match=f"127.0.0.1:{port} does not answer"):
            await behind


@pytest.mark.usefixtures("handshake")
async def test_a_rebalance_takes_its_time() -> None:
    async with silent_broker() as port:
        joining, other = await connect(port), await connect(port)
        joined = asyncio.ensure_future(joining.send(rebalance()))
        with pytest.raises(TimeoutError):
            await other.send(question())
        assert joining.connected()
        assert not joined.done()
        await joining.close()
        with pytest.raises(RequestTimedOutError):
            await joined


@pytest.mark.usefixtures("handshake")
async def test_a_connection_that_breaks_is_nothing_else() -> None:
    async with silent_broker() as port:
        connection = await connect(port)
        answer = asyncio.ensure_future(connection.send(question()))
        await asyncio.sleep(0)
        connection.close()
        with pytest.raises(KafkaConnectionError):
            await answer


async def test_a_broker_that_did_not_answer_has_less_time_until_it_accepts_a_connection(
    handshake: Handshake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent_broker() as port:
        asked_first, asked_later = await connect(port), await connect(port)
        with pytest.raises(TimeoutError):
            await asked_first.send(question())
        monkeypatch.setattr(aiokafka_silent_brokers, "_ANSWER_TIMEOUT_S", LONG)
        monkeypatch.setattr(aiokafka_silent_brokers, "_SUSPECT_TIMEOUT_S", SHORT)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await asked_later.send(question())
        handshake.hangs = True
        with pytest.raises(TimeoutError):
            await connect(port)
        assert asyncio.get_running_loop().time() - begun < LONG / 2

        handshake.hangs = False
        trusted = await connect(port)
        answer = asyncio.ensure_future(trusted.send(other_question()))
        handshake.hangs = True
        with pytest.raises(TimeoutError):  # another broker behind the same address may be the one that hangs
            await connect(port)
        assert asyncio.get_running_loop().time() - begun < LONG / 2
        assert not answer.done()
        await trusted.close()
        with pytest.raises(RequestTimedOutError):
            await answer


async def test_a_suspect_is_tried_by_one_at_a_time_and_by_clients_that_begin(
    handshake: Handshake, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with silent_broker() as port:
        with pytest.raises(TimeoutError):
            await (await connect(port)).send(question())
        handshake.hangs = True
        known = {"on_close": lambda connection, reason: None}
        trying = asyncio.ensure_future(connect(port, **known))
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError, match=f"127.0.0.1:{port} does not answer at the moment"):
            await connect(port, **known)
        beginning = asyncio.ensure_future(connect(port))
        await asyncio.wait((trying, beginning), timeout=3 * SHORT)
        assert not trying.done()
        assert not beginning.done()

        trying.cancel()
        beginning.cancel()
        await asyncio.wait((trying, beginning))
        handshake.hangs = False
        await (await connect(port, **known)).close()


@pytest.mark.usefixtures("handshake")
async def test_a_broker_that_is_slow_has_longer_each_time_until_it_is_quick() -> None:
    brokers = aiokafka_silent_brokers._Brokers()
    connection = AIOKafkaConnection("127.0.0.1", 9092)
    for expected in (SHORT, 2 * SHORT, 4 * SHORT):
        assert brokers.timeout_for(connection, question()) == expected
        brokers.timed_out(connection, question(), expected)
        brokers.timed_out(connection, rebalance(), LONG)  # behind the other one on the same connection
        assert brokers.is_suspect(connection)
        brokers.connected(connection)
    assert brokers.timeout_for(connection, rebalance()) == LONG

    brokers.answered(connection, question(), 2 * SHORT)
    assert brokers.timeout_for(connection, question()) == 8 * SHORT
    brokers.answered(connection, rebalance(), 0)
    assert brokers.timeout_for(connection, question()) == 8 * SHORT
    brokers.answered(connection, question(), 0)
    assert brokers.timeout_for(connection, question()) == SHORT
    for _ in range(20):
        brokers.timed_out(connection, question(), brokers.timeout_for(connection, question()))
        brokers.connected(connection)
    assert brokers.timeout_for(connection, question()) == 40
