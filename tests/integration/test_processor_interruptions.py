"""The processor is told to stop, and Kafka goes away and comes back."""

import threading
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.generate import Shape, generate
from kit.live import LiveStream
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import (
    assert_nothing_was_refused_in_vain,
    live_shape,
    minutes_ago,
    regular_stream,
    start_processor,
    wait_until_all_is_committed,
)
from kit.topics import PipelineTopics, committed, create_topics, end_offsets, send


def test_sigterm_before_kafka_is_there_ends_it(topics: PipelineTopics, apps: Apps) -> None:
    app = start_processor(apps, topics, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    app.wait_for_output("Kafka is away")

    app.stop()

    assert "Traceback" not in app.output()


def test_sigterm_while_idle_commits_and_ends_it(topics: PipelineTopics, apps: Apps) -> None:
    app = start_processor(apps, topics)
    app.wait_until_ready()

    app.stop()

    servers = topics.bootstrap_servers
    assert committed(servers, topics.group_id, topics.events) == end_offsets(servers, topics.events)


def test_sigterm_while_busy_ends_it_and_the_next_one_goes_on(topics: PipelineTopics, apps: Apps) -> None:
    app = start_processor(apps, topics)
    app.wait_until_ready()
    shape = live_shape(10, 300)
    records = generate(shape, seed=20)

    def committed_records() -> int:
        return sum(committed(topics.bootstrap_servers, topics.group_id, topics.events).values())

    with LiveStream(topics, records) as live:
        eventually(lambda: committed_records() > 0, 30)
        assert live.sent < len(records)
        app.stop()

    assert committed_records() < len(records), "it was not told to stop while events came"
    start_processor(apps, topics)
    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    assert_nothing_was_refused_in_vain(topics, shape)


def test_sigterm_during_a_restore_ends_it(topics: PipelineTopics, apps: Apps) -> None:
    long_window = {"WINDOW_SIZE": "1d", "OUT_OF_ORDERNESS": "1d"}
    send(topics.bootstrap_servers, topics.events, regular_stream(minutes_ago(3)) * 500)
    first = start_processor(apps, topics, **long_window)
    wait_until_all_is_committed(topics)
    first.stop()

    def stopped_during_the_restore() -> bool:
        restoring = start_processor(apps, topics, **long_window)
        with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
            # From the assignment on it restores, and as long as it is not ready it has not finished.
            eventually(lambda: admin.describe_groups([topics.group_id])[topics.group_id]["group_state"] == "Stable", 30)
        status = restoring.get("/readyz")[0]
        restoring.stop()
        assert "Traceback" not in restoring.output()
        return status == 503

    assert any(stopped_during_the_restore() for _ in range(5)), "each time it had finished when the test saw it"


@pytest.mark.parametrize("away", [Broker.pause, Broker.kill])
def test_sigterm_while_kafka_is_away_ends_it(own_broker: Broker, apps: Apps, away: Callable[[Broker], None]) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    shape = live_shape(5, 100)
    app = start_processor(apps, topics)
    with LiveStream(topics, generate(shape, seed=22)):
        app.wait_until_ready()
    away(own_broker)

    app.stop()

    assert "Traceback" not in app.output()


def test_it_waits_for_kafka_says_so_and_then_works(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    send(topics.bootstrap_servers, topics.events, generate(Shape(start_ms=minutes_ago(3), events=500), seed=23))
    own_broker.stop()
    app = start_processor(apps, topics)
    app.wait_for_output("Kafka is away")
    assert app.get("/readyz")[0] == 503
    assert app.get("/healthz")[0] == 200

    own_broker.start()

    app.wait_until_ready()
    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    assert app.get("/readyz") == (200, "ok\n")


def test_a_broker_that_was_killed_changes_no_number(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    shape = live_shape(12, 200)
    records = generate(shape, seed=24)
    app = start_processor(apps, topics)
    with LiveStream(topics, records) as live:
        eventually(lambda: live.sent > len(records) / 3, 30)
        own_broker.kill()
        own_broker.start()

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    assert app.child.running


def test_a_broker_that_was_frozen_changes_no_number(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    shape = live_shape(10, 200)
    records = generate(shape, seed=29)
    app = start_processor(apps, topics)
    with LiveStream(topics, records) as live:
        eventually(lambda: live.sent > len(records) / 3, 30)
        own_broker.pause()
        # Longer than the session of the broker, of the group's members and of their transactions.
        thawing = threading.Timer(15, own_broker.resume)
        thawing.start()
        thawing.join()

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    assert app.child.running
