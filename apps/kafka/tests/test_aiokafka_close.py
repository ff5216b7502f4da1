"""How long a connection takes to end that was closed, when the broker does nothing about it."""

import asyncio
import inspect
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection

from clickstream_kafka.patches import aiokafka_close
from clickstream_kafka.settings import KafkaSettings
from kit.certificates import write_certificates

Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    async def let_in(connection: AIOKafkaConnection) -> None:
        connection._versions = {}

    monkeypatch.setattr(AIOKafkaConnection, "_do_version_lookup", let_in)
    monkeypatch.setattr(AIOKafkaConnection, "close", inspect.unwrap(AIOKafkaConnection.close))
    aiokafka_close.apply()


@asynccontextmanager
async def broker_that_reads_nothing(tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """The port of a server that accepts connections and reads no byte; it ignores their end too."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await over.wait()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            over.set()


async def seconds_to_end(connection: AIOKafkaConnection) -> float:
    """Close the connection and wait for its end, as a client does that is closed."""
    closing = time.monotonic()
    await asyncio.wait_for(connection.close(), 5)
    return time.monotonic() - closing


@LOOPS
def test_no_goodbye_of_the_broker_is_waited_for(run: Run, tmp_path: Path) -> None:
    write_certificates(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    settings = KafkaSettings(security_protocol="SSL", ssl_cafile=tmp_path / "ca.crt")

    async def scenario() -> None:
        async with broker_that_reads_nothing(tls) as port:
            context = settings.aiokafka_config()["ssl_context"]
            connection = AIOKafkaConnection("127.0.0.1", port, security_protocol="SSL", ssl_context=context)
            await connection.connect()
            assert await seconds_to_end(connection) < 2

    run(scenario())


@LOOPS
def test_bytes_that_a_broker_does_not_take_hold_up_no_end(run: Run) -> None:
    async def scenario() -> None:
        async with broker_that_reads_nothing(None) as port:
            connection = AIOKafkaConnection("127.0.0.1", port)
            await connection.connect()
            connection._writer.write(bytes(32 * 1024 * 1024))
            assert await seconds_to_end(connection) < 2

    run(scenario())


@LOOPS
def test_what_is_written_before_the_end_gets_out(run: Run) -> None:
    taken = bytearray()

    async def scenario() -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.extend(await reader.read())
            writer.close()
            ended.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            connection = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])
            await connection.connect()
            connection._writer.write(b"last words")
            await seconds_to_end(connection)
            await asyncio.wait_for(ended.wait(), 5)

    run(scenario())
    assert taken == b"last words"
