import json
import re
from pathlib import Path

import pytest
import yaml

from clickstream_kafka.passwords import Password
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive_place import Place, seaweedfs_place, users_place
from clickstream_local.connect import client_properties
from clickstream_local.connector import FOLDER, Sink, connector_config, new_sink, read_connector
from clickstream_local.errors import ArchiveFailed
from clickstream_local.failures import first_cause
from clickstream_local.ports import free_port
from clickstream_local.sink_offsets import forget_committed_names, forget_offsets
from clickstream_local.topics import archive_topics, clickstream_topics

CATALOGS = ("rest", "glue", "hadoop")
LOCAL = seaweedfs_place(8333, 8181)


def config(place: Place = LOCAL, **topics: str) -> dict[str, str]:
    names = {name.replace("_", "-"): called for name, called in topics.items()}
    return connector_config(place, new_sink(place), "kafka-1", commit_interval_ms=30_000, topics=names)


@pytest.mark.parametrize("catalog", CATALOGS)
def test_the_connectors_differ_in_their_catalog_alone(catalog: str) -> None:
    common = {name: value for name, value in read_connector(catalog).items() if not name.startswith("iceberg.catalog.")}

    assert common == {
        name: value for name, value in read_connector("rest").items() if not name.startswith("iceberg.catalog.")
    }
    assert json.loads((FOLDER / f"connector-{catalog}.json").read_text())["name"] == "clickstream-archive"


def test_the_kafka_connector_says_what_the_json_says() -> None:
    manifest = yaml.safe_load((FOLDER / "connector" / "kafka-connector.yaml").read_text())
    spec = manifest["spec"]

    assert manifest["metadata"]["name"] == "clickstream-archive"
    assert {
        "connector.class": spec["class"],
        "tasks.max": str(spec["tasksMax"]),
        **spec["config"],
    } == read_connector("rest")


@pytest.mark.parametrize("catalog", CATALOGS)
def test_no_configuration_holds_a_secret(catalog: str) -> None:
    secret = {
        name: value for name, value in read_connector(catalog).items() if re.search("credential|secret|key-id", name)
    }

    assert all(value.startswith("${env:") for value in secret.values())


def test_every_topic_but_the_internal_ones_is_archived() -> None:
    names = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
    topics = {topic.name for topic in clickstream_topics(*names)}
    later = {"clickstream-access-logs", "clickstream-scenario-results"}

    assert set(config()["topics.regex"].split("|")) == (topics | later) - {"clickstream-window-partials"}


def test_the_connectors_own_topics_are_declared() -> None:
    chosen = read_connector("rest")

    assert {topic.name for topic in archive_topics()} == {
        chosen["iceberg.control.topic"],
        chosen["errors.deadletterqueue.topic.name"],
    }
    assert {topic.partitions for topic in archive_topics()} == {1}


def test_other_names_of_topics_reach_the_connector() -> None:
    chosen = config(clickstream_events="my.events", clickstream_dead_letters="refused")

    assert chosen["topics.regex"].split("|")[:3] == [r"my\.events", "clickstream-metrics", "refused"]
    assert chosen["predicates.hasHeaders.pattern"] == "clickstream-metrics|refused"


def test_all_that_kafka_keeps_of_a_place_has_names_of_its_own() -> None:
    at = {"CATALOG_URI": "http://catalog"}
    places = [
        LOCAL,
        users_place("/a", {}),
        users_place("/b", {}),
        users_place(LOCAL.warehouse, at),
        users_place(LOCAL.warehouse, {"CATALOG_URI": "http://another"}),
    ]
    sinks = [new_sink(each) for each in places]

    for name in ("group", "coordinator_group", "control_topic", "worker_group"):
        assert len({getattr(sink, name) for sink in sinks}) == len(places)
    assert new_sink(seaweedfs_place(1, 2)) == sinks[0] == Sink()
    assert (sinks[0].group, sinks[0].control_topic) == ("connect-clickstream-archive", "clickstream-archive-control")


def test_the_connector_works_under_its_sinks_names_and_marks_the_table_with_them() -> None:
    place = users_place("/a", {})
    sink, chosen = new_sink(place), config(place)

    assert chosen["consumer.override.group.id"] == chosen["iceberg.connect.group-id"] == sink.group
    assert chosen["iceberg.control.topic"] == sink.control_topic
    assert chosen["iceberg.tables.auto-create-props.clickstream.kafka-cluster-id"] == "kafka-1"
    assert chosen["iceberg.tables.auto-create-props.clickstream.sink"] == sink.name
    assert sink.control_topic in {topic.name for topic in archive_topics(sink.control_topic)}


def test_a_catalog_without_a_credential_is_asked_without_one() -> None:
    place = users_place("s3://bucket", {"CATALOG_URI": "http://catalog"})

    assert "iceberg.catalog.credential" not in config(place)
    assert config(place)["iceberg.catalog.rest.auth.type"] == "none"


def test_the_connector_reads_the_files_of_hadoop_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    place = users_place("hdfs://archive/x", {"HADOOP_CONF_DIR": "conf"})

    assert config(place)["iceberg.hadoop-conf-dir"] == str(tmp_path / "conf")
    assert place.settings()["HADOOP_CONF_DIR"] == str(tmp_path / "conf")
    assert "iceberg.hadoop-conf-dir" not in config(users_place("hdfs://namenode:8020/x", {}))
    assert "iceberg.hadoop-conf-dir" not in config(users_place("/data", {"HADOOP_CONF_DIR": "conf"}))


def test_every_transform_is_configured_once_and_used() -> None:
    chosen = read_connector("rest")
    used = chosen["transforms"].split(",")
    configured = {name.split(".")[1] for name in chosen if name.startswith("transforms.")}

    assert len(used) == len(set(used))
    assert set(used) == configured


def test_a_java_client_connects_as_the_settings_say(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    kafka = KafkaSettings(
        bootstrap_servers=("a:9093", "b:9093"),
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password=Password('pass"wo\\rd'),
        sasl_password_file=None,
        ssl_cafile=ca,
        ssl_certfile=None,
        ssl_keyfile=None,
    )

    assert client_properties(kafka) == {
        "bootstrap.servers": "a:9093,b:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        r'username="me" password="pass\"wo\\rd";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }


TRACE = """\
org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.
\tat org.apache.kafka.connect.runtime.WorkerSinkTask.deliverMessages(WorkerSinkTask.java:642)
Caused by: software.amazon.awssdk.core.exception.SdkClientException: Unable to execute HTTP request: Connection refused
\tat software.amazon.awssdk.core.exception.SdkClientException$BuilderImpl.build(SdkClientException.java:130)
\tSuppressed: software.amazon.awssdk.core.exception.SdkClientException: attempt 1
Caused by: java.net.ConnectException
\t... 12 more
"""


@pytest.mark.parametrize(
    ("trace", "cause"),
    [
        (TRACE, "SdkClientException: Unable to execute HTTP request: Connection refused"),
        (
            "a.Failed: b\nCaused by: c.DError: to host:8020: refused\nCaused by: c.DError: refused",
            "DError: to host:8020: refused",
        ),
        ("java.lang.OutOfMemoryError\n\tat x.y(Z.java)", "OutOfMemoryError"),
        ("something else\nand more", "something else"),
        ("", "no reason given"),
        ("a.b.CException: " + "x" * 1000, "CException: " + "x" * 287 + "…"),
    ],
)
def test_a_failed_tasks_cause_is_one_line(trace: str, cause: str) -> None:
    assert first_cause(trace) == cause


def test_a_kafka_that_is_away_does_not_end_an_archive_that_runs() -> None:
    config = {"bootstrap_servers": [f"127.0.0.1:{free_port()}"], "bootstrap_timeout_ms": 300}

    with pytest.raises(ArchiveFailed, match="could not delete the offsets of group connect-clickstream-archive"):
        forget_offsets(config, Sink())
    forget_committed_names(config, Sink())
