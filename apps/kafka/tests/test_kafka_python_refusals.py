"""What a broker sends before it closes a connection reaches kafka-python."""

import socket

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaTCPTransport

from clickstream_kafka.patches import kafka_python_refusals


@pytest.mark.parametrize("times", [1, 2])
def test_what_arrives_together_with_the_end_of_a_connection_is_read(times: int) -> None:
    for _ in range(times):
        kafka_python_refusals.apply()
    ours, theirs = socket.socketpair()
    theirs.sendall(b"invalid credentials")
    theirs.close()
    transport = KafkaTCPTransport(None, ours)
    assert transport._sock_recv() == (b"invalid credentials", None)
    data, error = transport._sock_recv()
    assert data == b""
    assert isinstance(error, KafkaConnectionError)
    ours.close()
