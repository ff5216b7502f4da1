"""What aiokafka 0.14 does not do by itself about connections: end them, whatever the broker does.

A client that is closed waits until its connections have ended. One without TLS ends when all bytes are written; a
broker that hangs takes none, so that may be never. TLS waits for the broker's goodbye as well (close_notify), which
need not be waited for (RFC 8446, 6.1), and which Kafka does not send when it finds ours behind a request that nobody
waits for any more: asyncio and uvloop give that up after 30 s. The requests whose answers matter are answered before a
client is closed; so the goodbye has a moment to get out, and then the connection ends.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection

_LONGEST_GOODBYE = 0.2
"""Seconds from closing a connection to its end."""


def end_closed_connections() -> None:
    """Make every connection of this process end 0.2 s after it was closed, at the latest."""
    AIOKafkaConnection.close = _ending(AIOKafkaConnection.close)


def _ending(close: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(close)
    def ending(connection: Any, *arguments: Any, **options: Any) -> Any:
        writer = connection._writer
        closed = close(connection, *arguments, **options)
        if writer is not None:
            connection._loop.call_later(_LONGEST_GOODBYE, writer.transport.abort)
        return closed

    return ending
