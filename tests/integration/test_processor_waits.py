"""How long results are held back when replicas come and go, and when one broker of three hangs."""

import time
from pathlib import Path

import pytest

from kit.certificates import write_certificates
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import start_processor
from kit.steady import SteadyStream, lateness
from kit.three_brokers import ThreeBrokers
from kit.tls_kafka import TlsKafka
from kit.topics import create_topics

QUICK = {"WINDOW_SIZE": "2s", "OUT_OF_ORDERNESS": "1s", "ALLOWED_LATENESS": "2m", "LOG_FORMAT": "json"}
USUAL_SECONDS = 4
"""From a window's end to its result when nothing happens: OUT_OF_ORDERNESS, two commits, and a busy machine."""


def wait_for_windows(replicas: list[App], ending_after: float, deadline_seconds: float) -> None:
    """Wait until three windows that end after that moment were announced in time."""

    def in_time() -> bool:
        found = [late for end, late in lateness(replicas).items() if end > ending_after]
        return len(found) >= 3 and max(found[-3:]) < USUAL_SECONDS

    eventually(in_time, deadline_seconds, every=0.5)


def held_back(replicas: list[App], since: float) -> float:
    """By how many seconds the windows that were open then, or later, came later than usual."""
    return max(late for end, late in lateness(replicas).items() if end > since) - USUAL_SECONDS


def test_a_rescale_holds_results_back_for_no_more_than_10_seconds(
    apps: Apps, tmp_path: Path, java: Path, jars: tuple[Path, ...]
) -> None:
    certificates = write_certificates(tmp_path)
    with TlsKafka(tmp_path, certificates, java=java, jars=jars) as kafka:
        topics = create_topics(kafka.broker.bootstrap_servers)
        tls = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CAFILE": str(certificates / "ca.crt"),
            "KAFKA_SSL_CERTFILE": str(certificates / "client.crt"),
            "KAFKA_SSL_KEYFILE": str(certificates / "client.key"),
        }

        def start() -> App:
            return start_processor(apps, topics, **QUICK, **tls)

        replicas = [start()]
        with SteadyStream(topics):
            replicas[0].wait_until_ready()
            wait_for_windows(replicas, time.time(), 60)
            rescaled = time.time()
            replicas += [start(), start()]
            for each in replicas:
                each.wait_until_ready(60)
            wait_for_windows(replicas, time.time(), 60)
            for each in replicas[1:]:
                each.stop()
            wait_for_windows(replicas, time.time(), 60)

        eventually(lambda: assert_equal_to_offline_count(topics, 2), 60, every=1)
        assert held_back(replicas, rescaled) < 10


@pytest.fixture
def three(tmp_path: Path, java: Path, jars: tuple[Path, ...]) -> ThreeBrokers:
    return ThreeBrokers(tmp_path, java=java, jars=jars)


def test_a_broker_of_three_that_hangs_holds_results_back_for_at_most_30_seconds(
    three: ThreeBrokers, apps: Apps
) -> None:
    with three:
        topics = create_topics(three.bootstrap_servers)
        replicas = [start_processor(apps, topics, **QUICK) for _ in range(2)]
        with SteadyStream(topics):
            for each in replicas:
                each.wait_until_ready(60)
            wait_for_windows(replicas, time.time(), 60)
            # The worst of the three: its successor as the controller gives it up only 9 s later.
            hanging = three.brokers[three.controller()]
            hung = time.time()
            hanging.pause()
            try:
                wait_for_windows(replicas, hung + 10, 120)
            finally:
                hanging.resume()
            wait_for_windows(replicas, time.time(), 60)

        eventually(lambda: assert_equal_to_offline_count(topics, 2), 60, every=1)
        assert held_back(replicas, hung - USUAL_SECONDS) <= 30
