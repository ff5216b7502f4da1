"""Where aiokafka 0.14 does not know uvloop: a connection that broke in the moment before it is written to.

asyncio's transports take the bytes and drop them, and the connection's reader reports the end a moment later. uvloop's
raise RuntimeError, which aiokafka takes for a bug: its coordinator and its sender end for good. A connection that broke
is what it is, and aiokafka knows what to do about that.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError


def report_closed_transports() -> None:
    """Make every connection of this process raise KafkaConnectionError when it is written to after it broke."""
    for name in ("send", "_send_sasl_token"):
        setattr(AIOKafkaConnection, name, _reporting(getattr(AIOKafkaConnection, name)))


def _reporting(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def reporting(connection: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return send(connection, *arguments, **options)
        except KafkaError:  # a RuntimeError too
            raise
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            message = f"Connection at {connection.host}:{connection.port} broken: {error}"
            raise KafkaConnectionError(message) from error

    return reporting
