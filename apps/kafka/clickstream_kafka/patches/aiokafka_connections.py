"""What aiokafka 0.14 does not do by itself about connections: survive uvloop's errors, and say why they fail.

A connection may break in the moment before it is written to. asyncio's transports take the bytes and drop them, and the
connection's reader reports the end a moment later. uvloop's raise RuntimeError, which aiokafka takes for a bug: its
coordinator and its sender end for good. A connection that broke is what it is, and aiokafka knows what to do about it.

And a client that can't connect says the same of all that may be the reason, so `why_refused` asks the brokers itself.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

_LONGEST_ANSWER = 5_000
_REFUSED = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


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


async def why_refused(kafka: Mapping[str, Any]) -> str | None:
    """Ask the bootstrap servers of a client's configuration one by one.

    Returns what is wrong with the password, with TLS or with all names in words, or None when it is none of these.
    """
    unknown, reason = [], ""
    options = {name: value for name, value in kafka.items() if name not in ("bootstrap_servers", "client_id")}
    for server in kafka["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=_LONGEST_ANSWER, **options)
        except _REFUSED as error:
            return f"Kafka refuses the credentials ({error}): check KAFKA_SASL_USERNAME and its password"
        except ssl.SSLError as error:
            return f"TLS with {server} does not come about ({error}): check KAFKA_SSL_CAFILE and the address"
        except socket.gaierror as error:
            unknown.append(server)
            reason = str(error.strerror)
            continue
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
    if unknown == list(kafka["bootstrap_servers"]):
        return f"no address is known for {', '.join(unknown)} ({reason}): check KAFKA_BOOTSTRAP_SERVERS"
    return None
