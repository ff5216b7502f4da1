"""The rights of Kafka Connect's user and of the archive's jobs are what they ask for: all of it, and nothing else.

As in test_strimzi_rights, on a Kafka that writes down each of its decisions; the archive is a folder.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer

from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive_place import Place, users_place
from clickstream_local.connect import ConnectWorker
from clickstream_local.connector import NAME, Sink, connector_config
from clickstream_local.ports import free_port
from clickstream_local.topics import Topic, clickstream_topics, create_missing
from kit.poll import eventually
from kit.secured_kafka import Decision, Right, SecuredKafka, rights_of

ARCHIVE = Path(__file__).parents[2] / "strimzi" / "archive"
CONNECT, JOBS = "clickstream-connect", "clickstream-archive"
EVENTS, METRICS, DEAD_LETTERS = "clickstream-events", "clickstream-metrics", "clickstream-dead-letters"
PASSWORD = "a password"


def granted(user: str) -> list[Right]:
    return rights_of(yaml.safe_load((ARCHIVE / "users" / f"{user}-user.yaml").read_text(encoding="utf-8")))


def topics() -> list[Topic]:
    """All that are there in a cluster before Connect starts."""
    manifests = [yaml.safe_load(path.read_text()) for path in (ARCHIVE / "topics").glob("clickstream-*.yaml")]
    own = [
        Topic(
            each["metadata"]["name"],
            each["spec"]["partitions"],
            {"cleanup.policy": each["spec"]["config"]["cleanup.policy"]},
        )
        for each in manifests
    ]
    return [*clickstream_topics(EVENTS, METRICS, "clickstream-window-partials", DEAD_LETTERS), *own]


@pytest.fixture
def kafka(java: Path, jars: tuple[Path, ...], tmp_path: Path) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path / "kafka", java=java, jars=jars) as secured:
        create_missing({"bootstrap_servers": [secured.broker.bootstrap_servers]}, topics())
        for user in (CONNECT, JOBS):
            secured.add_user(user, PASSWORD, granted(user))
        yield secured


def send(kafka: SecuredKafka) -> None:
    """Two transactions in each topic, so that the verification asks what is at the offsets of their markers; and one
    record with a header twice, which the sink does not get, in a partition of its own, so that it asks for the sink."""
    producer = KafkaProducer(bootstrap_servers=kafka.broker.bootstrap_servers, transactional_id="anybody")
    producer.init_transactions()
    for _ in range(2):
        producer.begin_transaction()
        for topic in (EVENTS, METRICS, DEAD_LETTERS, "web_logs"):
            producer.send(topic, value=b"{}", partition=0).get(10)
        producer.commit_transaction()
    producer.close()
    producer = KafkaProducer(bootstrap_servers=kafka.broker.bootstrap_servers)
    producer.send(DEAD_LETTERS, value=b"{}", partition=1, headers=[("reason", b"a"), ("reason", b"b")]).get(10)
    producer.close()


def archive_all(kafka: SecuredKafka, place: Place, worker: ConnectWorker) -> None:
    """Run the worker until it has committed."""
    child = worker.launch()
    try:
        assert eventually(worker.ready, 90)
        worker.put_connector(NAME, connector_config(place, Sink(), "a cluster", commit_interval_ms=2000, topics={}))
        send(kafka)
        # The first version of the table is empty, the second is a commit.
        committed = Path(place.warehouse) / "clickstream" / "raw" / "metadata" / "v2.metadata.json"
        assert eventually(committed.exists, 90), child.last_lines(40)
        assert eventually(lambda: used(kafka, CONNECT, Right("topic", f"{NAME}-refused", "Write")), 30)
    finally:
        child.stop(10)


def used(kafka: SecuredKafka, user: str, right: Right) -> bool:
    return any(each.user == user and each.right == right for each in kafka.decisions(since=0))


def allows(granted: Right, asked: Right) -> bool:
    """In Kafka, Read and Write allow Describe too."""
    implied = asked.operation == "Describe" and granted.operation in ("Read", "Write")
    if granted.resource != asked.resource or not (granted.operation == asked.operation or implied):
        return False
    return asked.name.startswith(granted.name) if granted.prefix else asked.name == granted.name


def needs(asked: Right, granted: Right) -> bool:
    """Whether no smaller right would do."""
    return asked.operation == granted.operation and allows(granted, asked)


def expected_refusal(each: Decision) -> bool:
    """A worker asks for its topics to be created, and finds them; Write on any topic is enough to be idempotent; who
    lists all topics gets those that the user may describe."""
    lists_all = each.request == "Metadata" and each.right.operation == "Describe"
    return lists_all or each.request in ("CreateTopics", "InitProducerId")


def test_connect_and_the_jobs_ask_for_what_their_users_may_do_and_for_nothing_else(
    kafka: SecuredKafka, java: Path, connect_jars: Path, tmp_path: Path
) -> None:
    environ = kafka.settings(CONNECT, PASSWORD)
    place = users_place(str(tmp_path / "archive"), {})
    settings = read_settings(KafkaSettings, prog="", description="", argv=[], environ=environ)
    worker = ConnectWorker(
        tmp_path / "connect", java=java, jars=connect_jars, port=free_port(), group=Sink().worker_group, kafka=settings,
        environ=place.environ, log=tmp_path / "connect.log",
    )  # fmt: skip
    archive_all(kafka, place, worker)
    command = [str(Path(sys.executable).with_name("clickstream-archive")), "verify", "--json"]
    given = {**kafka.settings(JOBS, PASSWORD), "CATALOG_TYPE": "hadoop", "WAREHOUSE": place.warehouse}
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("{"), done.stderr

    decisions = kafka.decisions(since=0)

    refused = {(each.user, each.right, each.request) for each in decisions if not each.allowed}
    expected = {(each.user, each.right, each.request) for each in decisions if expected_refusal(each)}
    assert refused - expected == set()
    for user in (CONNECT, JOBS):
        asked = {each.right for each in decisions if each.allowed and each.user == user}
        assert {each for each in asked if not any(allows(right, each) for right in granted(user))} == set()
        unneeded = {right for right in granted(user) if not any(needs(each, right) for each in asked)}
        assert unneeded == set()
