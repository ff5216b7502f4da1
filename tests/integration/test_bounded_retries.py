"""The apps retry with pauses, and obey a request to stop between retries.

One broker goes from bad to worse; each time all four apps are measured by the CPU time that they take.
"""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from kafka import KafkaAdminClient

from clickstream_local.broker import Broker
from kit.collector import start_collector
from kit.damage import break_the_length, damage_segment
from kit.moving import Stranger
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import sample, start_processor
from kit.topics import ToSend, create_topics, end_offsets, send

SECONDS = 5.0
MOST_OF_A_CORE = 0.15
PROMISED_STOP = 10.0
MARGIN = 2.0  # the tests' machine is busy


def cpu_seconds(app: App) -> float:
    fields = Path(f"/proc/{app.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_all_are_calm(running: Mapping[str, App], when: str) -> None:
    time.sleep(2.0)  # what happens once is over
    before = {name: cpu_seconds(app) for name, app in running.items()}
    time.sleep(SECONDS)
    shares = {name: (cpu_seconds(app) - before[name]) / SECONDS for name, app in running.items()}
    print(when, {name: f"{share:.0%}" for name, share in shares.items()})
    assert max(shares.values()) < MOST_OF_A_CORE, f"{when}: {shares}"


def test_nothing_that_fails_again_and_again_takes_a_core_or_outlives_a_request_to_stop(
    own_broker: Broker, apps: Apps
) -> None:
    topics = create_topics(own_broker.bootstrap_servers, partitions=1)
    processor = start_processor(apps, topics)
    dashboard = apps.start("clickstream_consumer.main", environ={**topics.environ, "GROUP_ID": "dashboard"})
    collector = start_collector(apps, topics, LIMIT="off", VISITOR_SECRET="a secret of the tests")
    producer = apps.start("clickstream_producer.main", environ=topics.environ, RATE="20")
    running = {"processor": processor, "dashboard": dashboard, "collector": collector.app, "producer": producer}
    for app in running.values():
        app.wait_until_ready(60)
    eventually(lambda: sample(dashboard, "clickstream_consumer_results_total") > 0, 60)
    assert_all_are_calm(running, "all is well")

    data = own_broker.directory / "data"
    for topic, partition in ((topics.events, 0), (topics.metrics, 1)):
        processor.pause()
        dashboard.pause()
        end = end_offsets(topics.bootstrap_servers, topic)[partition]
        send(topics.bootstrap_servers, topic, [ToSend(b"{}", partition=partition)])
        damage_segment(data, topic, partition, end, break_the_length)
        processor.resume()
        dashboard.resume()
    assert_all_are_calm(running, "the broker can't read its own log")

    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.delete_topics([topics.events, topics.metrics, topics.partials, topics.dead_letters])
    assert_all_are_calm(running, "the topics are gone")

    own_broker.pause()
    assert_all_are_calm(running, "the broker hangs")

    own_broker.kill()
    assert_all_are_calm(running, "the broker is dead")

    with Stranger(own_broker.port, b"\0\0\0\x10HTTP/1.1 400 Bad"):
        assert_all_are_calm(running, "another program has the broker's address")
        asked = time.monotonic()
        for app in running.values():
            app.child.send(signal.SIGTERM)
        for name, app in running.items():
            left = asked + PROMISED_STOP + MARGIN - time.monotonic()
            assert app.child.wait(max(0.1, left)) is not None, f"{name} does not end: {app.describe()}"
        assert "Traceback" not in "".join(app.output() for app in running.values())
