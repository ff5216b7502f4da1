"""A connection that is closed ends within 0.2 s, whatever the broker does.

A client that is closed waits until its connections have ended. One without TLS ends when all bytes are written, which a
hung broker may never read. One with TLS also waits for the broker's close_notify, which a client need not wait for (RFC
8446, 6.1), and which Kafka does not send when ours arrives behind a request whose answer has been given up; asyncio and
uvloop then wait for 30 s. Requests whose answers matter have been answered before a client is closed.

Written for aiokafka 0.14.
Upstream: aiokafka #1013 (open) asks how to close a client whose broker does not answer.
Delete when aiokafka bounds the time that `stop` waits for connections.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection

from clickstream_kafka.patches import replace_method

_ABORT_AFTER_S = 0.2


def apply() -> None:
    replace_method(AIOKafkaConnection, "close", _close_and_abort_later)


def _close_and_abort_later(close: Callable[..., Any], connection: Any, *arguments: Any, **options: Any) -> Any:
    writer = connection._writer
    closed = close(connection, *arguments, **options)
    if writer is not None:
        connection._loop.call_later(_ABORT_AFTER_S, writer.transport.abort)
    return closed
