"""What a broker sent before it closed a connection is read before the end is reported.

A broker that refuses a password answers and closes the connection, so the answer and the end of the stream often arrive
together. kafka-python reads both, reports the end and drops the answer: the refusal looks like a broken connection.

Written for kafka-python 3.0.
Upstream: kafka-python pull requests #2886 and #2994 (merged) report refusals better, but only those that are read.
Delete when `_sock_recv` returns no error together with data.
"""

from collections.abc import Callable
from typing import Any

from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from clickstream_kafka.patches import replace_method


def apply() -> None:
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        replace_method(transport, "_sock_recv", _receive_before_eof)


def _receive_before_eof(receive: Callable[[Any], tuple[bytes, Any]], transport: Any) -> tuple[bytes, Any]:
    data, error = receive(transport)
    return data, None if data else error  # the next call meets the end again
