"""What kafka-python 3.0 does not do by itself about connections: hear a broker out.

A broker that refuses a password says so and closes the connection, so the answer and the end of the stream often arrive
together. kafka-python reads both, takes the end for all there is and drops the answer: the refusal looks like a
connection that broke.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any


@cache
def hear_last_words() -> None:
    """Make every connection of this process take what was received before it takes note of the end."""
    from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        transport._sock_recv = _hearing(transport._sock_recv)


def _hearing(receive: Callable[[Any], tuple[bytes, Any]]) -> Callable[[Any], tuple[bytes, Any]]:
    @wraps(receive)
    def hearing(transport: Any) -> tuple[bytes, Any]:
        data, error = receive(transport)
        return data, None if data else error  # the next call meets the end once more

    return hearing
