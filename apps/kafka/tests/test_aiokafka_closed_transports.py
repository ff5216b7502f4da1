"""What writing to a broken connection raises on uvloop."""

import asyncio
import inspect
from typing import Any

import pytest
import uvloop
from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from clickstream_kafka.errors import FatalError
from clickstream_kafka.patches import aiokafka_closed_transports
from clickstream_kafka.stable_offsets import stable_offsets


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("send", "_send_sasl_token"):
        monkeypatch.setattr(AIOKafkaConnection, name, inspect.unwrap(getattr(AIOKafkaConnection, name)))
    aiokafka_closed_transports.apply()


class AnyRequest:
    """A request of no particular kind, in any version."""

    def prepare(self, versions: object) -> "AnyRequest":
        return self

    def build_request_header(self, **fields: object) -> "AnyRequest":
        return self

    def encode(self) -> bytes:
        return b"request"


async def broken_connection() -> AIOKafkaConnection:
    """A connection whose transport was closed while aiokafka still believes in it."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = AIOKafkaConnection("127.0.0.1", port)
    connection._reader, connection._writer = await asyncio.open_connection("127.0.0.1", port)
    connection._read_task = asyncio.create_task(asyncio.Event().wait())
    connection._writer.transport.abort()
    await asyncio.sleep(0)
    server.close()
    return connection


@pytest.mark.parametrize("sent", [lambda c: c.send(AnyRequest()), lambda c: c._send_sasl_token(b"token")])
@pytest.mark.usefixtures("patched")
def test_writing_to_a_connection_that_broke_is_an_error_that_aiokafka_retries(sent: Any) -> None:
    async def scenario() -> bool:
        connection = await broken_connection()
        with pytest.raises(KafkaConnectionError, match="broken: unable to perform operation"):
            sent(connection)
        return bool(connection.connected())

    assert not uvloop.run(scenario())


class OldCoordinator:
    """An admin client's connection to brokers that know OffsetFetch up to version 5, as Kafka 2.4 does."""

    def __init__(self, connection: AIOKafkaConnection) -> None:
        connection._versions = {9: (0, 5)}
        self._connection = connection
        self._client = self

    async def find_coordinator(self, group_id: str) -> int:
        return 0

    async def send(self, node_id: int, request: Any) -> Any:
        return await self._connection.send(request)


@pytest.mark.usefixtures("patched")
async def test_a_request_that_the_brokers_are_too_old_for_is_no_broken_connection() -> None:
    connection = await broken_connection()
    with pytest.raises(FatalError, match=r"2\.5 or newer is needed"):
        await stable_offsets(OldCoordinator(connection), "group", [TopicPartition("events", 0)])
    connection.close()
