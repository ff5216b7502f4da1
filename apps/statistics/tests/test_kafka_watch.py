import logging
import socket
import time
from collections.abc import Callable

import pytest

from clickstream_statistics.kafka_watch import KafkaWatch

DEADLINE_S = 20


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_kafka_that_takes_connections_and_answers_nothing_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, caplog.at_level(logging.WARNING, "clickstream_statistics"):
        servers = [f"127.0.0.1:{silent.getsockname()[1]}"]
        with KafkaWatch({"bootstrap_servers": servers}, "t", answer_s=0.2) as watch:
            assert watch.waiting_for == ""
            eventually(lambda: watch.waiting_for != "")
            assert watch.waiting_for.startswith("Kafka does not answer: ")
        ours = [each.getMessage() for each in caplog.records if each.name == "clickstream_statistics.kafka_watch"]
        assert ours == [watch.waiting_for]


def test_the_watch_ends_with_its_block_whatever_kafka_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = [f"127.0.0.1:{silent.getsockname()[1]}"]
        began = time.monotonic()
        with KafkaWatch({"bootstrap_servers": servers}, "t"):
            pass
        assert time.monotonic() - began < DEADLINE_S / 2
