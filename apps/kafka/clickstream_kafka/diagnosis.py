"""Why aiokafka can't connect: its clients raise the same error for every cause, so the brokers are asked one by one."""

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka import errors
from aiokafka.conn import create_conn

_CONNECT_TIMEOUT_MS = 5_000
_REFUSED = (
    errors.AuthenticationFailedError,
    errors.IllegalSaslStateError,
    errors.SaslAuthenticationFailed,
    errors.UnsupportedSaslMechanismError,
)


async def why_refused(kafka: Mapping[str, Any]) -> str | None:
    """Connect to each bootstrap server of a client's configuration.

    Returns what is wrong with the password, with TLS or with all names in words, or None when it is none of these.
    """
    unknown, reason = [], ""
    options = {name: value for name, value in kafka.items() if name not in ("bootstrap_servers", "client_id")}
    for server in kafka["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(
                host.strip("[]"), int(port), request_timeout_ms=_CONNECT_TIMEOUT_MS, **options
            )
        except _REFUSED as error:
            return f"Kafka refuses the credentials ({error}): check KAFKA_SASL_USERNAME and its password"
        except ssl.SSLError as error:
            return f"TLS handshake with {server} failed ({error}): check KAFKA_SSL_CAFILE and the address"
        except socket.gaierror as error:
            unknown.append(server)
            reason = str(error.strerror)
            continue
        except (errors.KafkaError, OSError, TimeoutError):
            continue
        connection.close()
    if unknown == list(kafka["bootstrap_servers"]):
        return f"no address is known for {', '.join(unknown)} ({reason}): check KAFKA_BOOTSTRAP_SERVERS"
    return None
