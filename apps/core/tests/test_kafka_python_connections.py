"""What kafka-python would not hear."""

import socket

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaTCPTransport

from clickstream_core.kafka_python_connections import hear_last_words


@pytest.mark.parametrize("times", [1, 2])
def test_what_comes_together_with_the_end_of_a_connection_is_heard(times: int) -> None:
    for _ in range(times):
        hear_last_words()
    ours, theirs = socket.socketpair()
    theirs.sendall(b"invalid credentials")
    theirs.close()
    transport = KafkaTCPTransport(None, ours)
    assert transport._sock_recv() == (b"invalid credentials", None)
    data, error = transport._sock_recv()
    assert data == b""
    assert isinstance(error, KafkaConnectionError)
    ours.close()
