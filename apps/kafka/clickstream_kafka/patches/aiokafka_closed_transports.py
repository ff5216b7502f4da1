"""Writing to a connection that has just broken raises KafkaConnectionError on uvloop too.

A connection may break just before it is written to. asyncio's transports take the bytes and drop them, and the
connection's reader reports the end a moment later. uvloop's transports raise RuntimeError. aiokafka treats that as a
bug: its coordinator and its sender end for good. As KafkaConnectionError it is handled like any broken connection.

Written for aiokafka 0.14.
Upstream: aiokafka #1038 (open).
Delete when #1038 is fixed in a release.
"""

from collections.abc import Callable
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from clickstream_kafka.patches import replace_method


def apply() -> None:
    for name in ("send", "_send_sasl_token"):
        replace_method(AIOKafkaConnection, name, _send_with_our_error)


def _send_with_our_error(send: Callable[..., Any], connection: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return send(connection, *arguments, **options)
    except (KafkaError, NotImplementedError):  # RuntimeErrors too; the second is for a broker that is too old
        raise
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        message = f"Connection at {connection.host}:{connection.port} broken: {error}"
        raise KafkaConnectionError(message) from error
