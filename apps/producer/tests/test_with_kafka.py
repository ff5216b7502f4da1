"""The command against a real broker: nothing accepted is lost, nothing comes twice, and refusals are explained."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.processes import App, Apps
from kit.topics import PipelineTopics, create_topics, read_all

PRODUCER = "clickstream_producer.main"


def summary(app: App, line: str) -> int:
    """The number behind `line` in the closing summary."""
    found = re.search(rf"^   {line}: +(\d+)$", app.output(), re.MULTILINE)
    assert found, app.describe()
    return int(found[1])


def metric(app: App, name: str) -> float:
    found = re.search(rf"^clickstream_producer_{name} (\S+)$", app.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(("rate", "count"), [("50", 100), ("9000", 18_000)])
def test_a_run_sends_rate_times_duration_events(
    broker: Broker, topics: PipelineTopics, apps: Apps, rate: str, count: int
) -> None:
    app = apps.start(PRODUCER, "--rate", rate, "--duration", "2s", environ=topics.environ)
    app.expect_exit(0, 60)

    records = read_all(broker.bootstrap_servers, topics.events)
    events = [json.loads(record.value or b"") for record in records]
    output = app.output()

    # A machine too busy to give the processes a turn for half a second makes the run shorter of events, never longer.
    assert 0.5 * count < len(events) <= count
    assert len({event["event_id"] for event in events}) == len(events) == summary(app, "Events sent")
    assert [event["user_id"].encode() for event in events] == [record.key for record in records]
    assert (
        f"✓ Connected to Kafka: ['{broker.bootstrap_servers}']\n🚀 Generating {rate} events/second\n\n" in app.output()
    )
    assert re.search(r"📊 Sent \d+ events \| Rate: [\d.]+ events/sec \| Partition: \d \| Offset: \d+", output)


def test_the_same_seed_sends_the_same_events(
    broker: Broker, make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    runs = []
    for _ in range(2):
        topics = make_topics(partitions=1)
        app = apps.start(PRODUCER, "--seed", "5", "--rate", "100", "--duration", "1s", environ=topics.environ)
        app.expect_exit(0, 60)
        events = [json.loads(record.value or b"") for record in read_all(broker.bootstrap_servers, topics.events)]
        for event in events:
            del event["event_id"], event["session_id"], event["timestamp"]
        runs.append(events)

    shorter = min(map(len, runs))
    assert shorter > 50
    assert runs[0][:shorter] == runs[1][:shorter]


def test_nothing_is_lost_or_doubled_when_the_broker_is_killed_and_comes_back(own_broker: Broker, apps: Apps) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    app = apps.start(PRODUCER, "--rate", "300", environ=topics.environ)
    app.wait_for_output("📊 Sent")
    app.wait_until_ready()

    own_broker.kill()
    app.wait_for_output("generation paused with 3,000 events in flight")
    assert app.get("/readyz")[0] == 503
    assert app.get("/healthz")[0] == 200
    assert metric(app, "events_in_flight") == 3000
    own_broker.start()
    app.wait_for_output("✓ Kafka is back after")
    app.wait_until_ready()
    app.stop()

    ids = [
        json.loads(record.value or b"")["event_id"] for record in read_all(own_broker.bootstrap_servers, topics.events)
    ]
    assert len(set(ids)) == len(ids) == summary(app, "Events sent")
    assert summary(app, "Unsent") == summary(app, "Failed") == 0


@pytest.mark.parametrize("rate", ["100", "8001"])
def test_stopped_while_kafka_is_away_it_ends_and_says_what_is_unsent(own_broker: Broker, apps: Apps, rate: str) -> None:
    topics = create_topics(own_broker.bootstrap_servers)
    app = apps.start(PRODUCER, "--rate", rate, environ=topics.environ)
    app.wait_for_output("📊 Sent")
    own_broker.pause()
    app.wait_for_output("⚠ Kafka is away: nothing acknowledged for 3 s")

    app.stop(status=1)

    own_broker.resume()
    unsent = summary(app, "Unsent")
    assert unsent > 0
    assert f"✗ Stopped with {unsent:,} unsent" in app.output()
    assert "Traceback" not in app.output()


def test_it_waits_for_kafka_and_for_the_topic(own_broker: Broker, apps: Apps) -> None:
    own_broker.stop()
    environ = {"KAFKA_BOOTSTRAP_SERVERS": own_broker.bootstrap_servers, "EVENTS_TOPIC": "late"}
    app = apps.start(PRODUCER, "--duration", "1s", environ=environ)
    app.wait_for_output("⏳ Kafka is away: ")
    own_broker.start()
    app.wait_for_output("⏳ topic late does not exist; create it, or name another one")
    assert app.get("/readyz") == (503, "topic late does not exist; create it, or name another one\n")
    create_topic(own_broker.bootstrap_servers, "late")

    app.expect_exit(0, 30)

    assert summary(app, "Events sent") == len(read_all(own_broker.bootstrap_servers, "late")) > 0


def test_an_event_larger_than_the_topic_allows_ends_the_run_with_the_reason(broker: Broker, apps: Apps) -> None:
    create_topic(broker.bootstrap_servers, "tiny", **{"max.message.bytes": "100"})
    app = apps.start(PRODUCER, KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers, EVENTS_TOPIC="tiny")

    app.expect_exit(1, 30)

    assert "larger than topic tiny allows; raise the topic's max.message.bytes" in app.output()
    assert summary(app, "Failed") > 0


def test_web_logs_go_to_their_topic(broker: Broker, apps: Apps) -> None:
    create_topic(broker.bootstrap_servers, "web_logs")
    app = apps.start(PRODUCER, "--kind", "weblog", "--duration", "1s", KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers)

    app.expect_exit(0, 30)

    logs = [json.loads(record.value or b"") for record in read_all(broker.bootstrap_servers, "web_logs")]
    assert len(logs) == summary(app, "Events sent") > 0
    assert {tuple(log) for log in logs} == {("ip", "timestamp", "method", "url", "status_code", "user_agent")}


def test_access_logs_go_to_their_topic_and_to_a_file(broker: Broker, apps: Apps, tmp_path: Path) -> None:
    topic, file = "clickstream-access-logs", tmp_path / "access.log"
    create_topic(broker.bootstrap_servers, topic)
    app = apps.start(
        PRODUCER,
        *("--kind", "access-log", "--duration", "1s", "--rate", "100", "--access-log-file", str(file)),
        KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers,
    )

    app.expect_exit(0, 30)

    records = read_all(broker.bootstrap_servers, topic)
    assert len(records) == summary(app, "Events sent") > 0
    assert sorted(each.value or b"" for each in records) == sorted(file.read_bytes().splitlines())
    assert all((each.key or b"").decode() == json.loads(each.value or b"")["request_id"] for each in records)


def test_refused_credentials_and_missing_rights_are_explained(
    tmp_path: Path, java: Path, jars: tuple[Path, ...], apps: Apps
) -> None:
    guarded_port = free_port()
    with guarded_broker(tmp_path, java, jars, guarded_port) as broker:
        create_topic(broker.bootstrap_servers, "clickstream-events")
        sasl = {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{guarded_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
        }
        stranger = apps.start(PRODUCER, environ=sasl, KAFKA_SASL_USERNAME="writer", KAFKA_SASL_PASSWORD="wrong")
        reader = apps.start(PRODUCER, environ=sasl, KAFKA_SASL_USERNAME="reader", KAFKA_SASL_PASSWORD="right")
        writer = apps.start(
            PRODUCER, "--duration", "1s", environ=sasl, KAFKA_SASL_USERNAME="writer", KAFKA_SASL_PASSWORD="right"
        )
        stranger.expect_exit(1, 30)
        reader.expect_exit(1, 30)
        writer.expect_exit(0, 30)

    assert "✗ Kafka refuses the connection: " in stranger.output()
    assert "may not write to topic clickstream-events; grant it Write and Describe" in reader.output()
    assert summary(writer, "Events sent") > 0


def guarded_broker(directory: Path, java: Path, jars: tuple[Path, ...], guarded_port: int) -> Broker:
    """A broker whose second listener wants the password "right"; user writer may do all, user reader nothing."""
    port, controller = free_port(), free_port()
    listeners = f"PLAINTEXT://127.0.0.1:{port},GUARDED://127.0.0.1:{guarded_port},CONTROLLER://127.0.0.1:{controller}"
    return Broker(
        directory / "guarded",
        java=java,
        jars=jars,
        port=port,
        properties={
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.guarded.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required"
                ' user_writer="right" user_reader="right";'
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:writer",
        },
    )


def create_topic(bootstrap_servers: str, name: str, **configs: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        admin.create_topics([NewTopic(name=name, num_partitions=2, replication_factor=1, topic_configs=configs)])
    finally:
        admin.close()
