"""The JMX rules of the eks overlay give the names that dashboards ask for, on a broker with the exporter in it."""

import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port
from kit.maven import fetch_jars
from kit.topics import ToSend, create_topics, send

ROOT = Path(__file__).parents[2]
METRICS = ROOT / "strimzi" / "overlays" / "eks" / "kafka" / "kafka-metrics.yaml"
# Strimzi's images hold a newer one, which is not on Maven Central; the rules mean the same to both.
IO_ACCOUNTING = Path("/proc/self/io")
EXPORTER = "jmx_prometheus_javaagent-1.0.1.jar"


@pytest.fixture(scope="module")
def exporter() -> Path:
    directory = ROOT / ".local" / "jmx"
    if not (directory / EXPORTER).exists():
        fetch_jars(["io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1"], directory)
    return directory / EXPORTER


def test_the_rules_give_the_names_that_dashboards_ask_for(
    exporter: Path, java: Path, jars: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, rules = free_port(), tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_load(METRICS.read_text(encoding="utf-8"))["data"]["jmx-exporter.yaml"])
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-javaagent:{exporter}=127.0.0.1:{port}:{rules}")

    with Broker(tmp_path / "kafka", java=java, jars=jars) as broker:
        topics = create_topics(broker.bootstrap_servers)
        send(broker.bootstrap_servers, topics.events, [ToSend(b"x", partition=0)] * 7)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            families = [*text_string_to_metric_families(answer.read().decode())]

    samples = [sample for family in families for sample in family.samples]
    values = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in samples}
    assert values["kafka_server_brokertopicmetrics_messagesin_total", (("topic", topics.events),)] == 7
    assert values["kafka_server_brokertopicmetrics_messagesin_total", ()] == 7
    assert values["kafka_server_replicamanager_underreplicatedpartitions", ()] == 0
    assert values["kafka_controller_kafkacontroller_offlinepartitionscount", ()] == 0
    assert values["kafka_controller_kafkacontroller_fencedbrokercount", ()] == 0
    assert values["kafka_controller_kafkacontroller_activebrokercount", ()] == 1
    assert values["kafka_controller_kafkacontroller_activecontrollercount", ()] == 1
    assert values["kafka_log_log_logendoffset", (("partition", "0"), ("topic", topics.events))] == 7
    assert values["kafka_log_log_size", (("partition", "0"), ("topic", topics.events))] > 0
    connections = [sample for sample in samples if sample.name == "kafka_server_socket_server_metrics_connection_count"]
    assert {frozenset(sample.labels) for sample in connections} == {frozenset({"listener", "networkProcessor"})}
    assert sum(sample.value for sample in connections) > 0
    assert {
        # These two only where the kernel says what a process reads and writes.
        *(f"kafka_server_kafkaserver_linux_disk_{each}_bytes" for each in ("read", "write") if IO_ACCOUNTING.exists()),
        "kafka_server_brokertopicmetrics_bytesin_total",
        "kafka_server_brokertopicmetrics_bytesout_total",
        "kafka_server_replicamanager_partitioncount",
        "kafka_server_replicamanager_leadercount",
        "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
        "kafka_network_requestmetrics_requests_total",
        "kafka_network_requestmetrics_totaltimems",
        "kafka_server_raftmetrics_current_leader",
        "kafka_server_brokermetadatametrics_last_applied_record_offset",
    } <= {each.name for each in samples}
