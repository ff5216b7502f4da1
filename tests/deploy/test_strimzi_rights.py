"""The rights of the KafkaUsers are what the apps ask for: all of it, and nothing else.

The apps run with the users' passwords and rights on a Kafka that writes down each of its decisions. Read is allowed by
Read only, and so on, so an operation that was asked for and allowed needs its right; only Describe comes with others.
"""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaProducer

from clickstream_local.ports import free_port
from clickstream_local.topics import clickstream_topics, create_missing, scenario_topics
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import SHORT_WINDOWS, sample
from kit.redis_server import redis_server
from kit.scenarios import REFERENCE, write_folder
from kit.secured_kafka import Right, SecuredKafka, rights_of

STRIMZI = Path(__file__).parents[2] / "strimzi"
PRODUCER, PROCESSOR, CONSUMER = "clickstream-producer", "clickstream-streams-processor", "clickstream-consumer"
COLLECTOR, SCENARIOS, ADMIN = "clickstream-collector", "clickstream-scenarios", "clickstream-scenarios-admin"
STATISTICS = "clickstream-statistics"
EVENTS, PARTIALS, DEAD_LETTERS = "clickstream-events", "clickstream-window-partials", "clickstream-dead-letters"
EVENTS_PARTITIONS = 6
TOPICS = (*clickstream_topics(EVENTS, "clickstream-metrics", PARTIALS, DEAD_LETTERS), *scenario_topics())
USERS = {
    PRODUCER: "base/users",
    PROCESSOR: "base/users",
    CONSUMER: "base/users",
    COLLECTOR: "collector",
    SCENARIOS: "scenarios/users",
    ADMIN: "scenarios/users",
    STATISTICS: "scenarios/users",
}
"""And their folders."""


def manifest(name: str) -> dict[str, Any]:
    user: dict[str, Any] = yaml.safe_load((STRIMZI / USERS[name] / f"{name}.yaml").read_text(encoding="utf-8"))
    return user


def password(user: str) -> str:
    return f"password of {user}"


@pytest.fixture(scope="module")
def kafka(java: Path, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured"), java=java, jars=jars) as secured:
        create_missing({"bootstrap_servers": [secured.broker.bootstrap_servers]}, TOPICS)
        for name in USERS:
            secured.add_user(name, password(name), rights_of(manifest(name)))
        yield secured


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as server:
        yield server.url


def start(apps: Apps, kafka: SecuredKafka, app: str, user: str, **settings: str) -> App:
    return apps.start(f"clickstream_{app}.main", environ=kafka.settings(user, password(user)), **settings)


def send_what_is_no_event(kafka: SecuredKafka) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka.broker.bootstrap_servers)
    producer.send(EVENTS, value=b"no event").get(10)
    producer.close()


def start_collector(apps: Apps, kafka: SecuredKafka, user: str) -> App:
    environ = {**kafka.settings(user, password(user)), "ADMIN_PORT": str(free_port())}
    return apps.start("clickstream_collector.main", environ=environ)


def start_admin(apps: Apps, kafka: SecuredKafka, folder: Path) -> App:
    environ = {**kafka.settings(ADMIN, password(ADMIN)), "DATABASE_URL": f"sqlite:///{folder}/scenarios.db"}
    return apps.start("clickstream_scenarios.admin", environ=environ, ADMIN_SIGN_IN="none", HTTP_HOST="127.0.0.1")


def start_statistics(apps: Apps, kafka: SecuredKafka, jars: Path, folder: Path, redis: str) -> App:
    options = {"RESULTS_TO": str(folder / "results"), "REDIS_URL": redis, "SPARK_JARS": str(jars)}
    return start(apps, kafka, "statistics", STATISTICS, TRIGGER_INTERVAL="1s", **options)


def post(collector: App, body: bytes) -> tuple[int, str]:
    """Post as a program does; status 0 while nothing listens."""
    url = f"http://127.0.0.1:{collector.http_port}/ingest"
    headers = {"Content-Type": "application/json", "User-Agent": "curl/8"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()
    except OSError as error:
        return 0, str(error)


def test_the_apps_ask_for_what_their_users_may_do_and_for_nothing_else(
    kafka: SecuredKafka, apps: Apps, redis: str, spark_jars: Path, tmp_path: Path
) -> None:
    before = kafka.log_size()
    statistics = start_statistics(apps, kafka, spark_jars, tmp_path, redis)
    send_what_is_no_event(kafka)
    processor = start(apps, kafka, "streams", PROCESSOR, **SHORT_WINDOWS)
    producer = start(apps, kafka, "producer", PRODUCER, RATE="50")
    start(apps, kafka, "producer", PRODUCER, KIND="weblog", DURATION="1s").expect_exit(0, 60)
    start(apps, kafka, "producer", PRODUCER, KIND="access-log", DURATION="1s").expect_exit(0, 60)
    rules = write_folder(tmp_path / "rules", [{**REFERENCE, "scenario_id": 1}])  # of others there are dead letters
    scenarios = start(apps, kafka, "scenarios", SCENARIOS, SCENARIOS_FOLDER=str(rules))
    eventually(lambda: sample(scenarios, "clickstream_scenarios_results_total", success="0") > 0, 60)
    eventually(lambda: sample(scenarios, "clickstream_scenarios_dead_letters_total") > 0, 60)
    scenarios.wait_until_ready()
    admin = start_admin(apps, kafka, tmp_path)
    assert eventually(lambda: '"memberId"' in admin.get("/api/scenarios/suggestions")[1], 60)
    consumer = start(apps, kafka, "consumer", CONSUMER)
    collector = start_collector(apps, kafka, COLLECTOR)
    assert eventually(lambda: post(collector, b'{"path": "/"}')[0] == 200, 60)
    assert eventually(lambda: post(collector, b"no JSON")[0] == 200, 60)
    consumer.wait_for_output("CLICKSTREAM METRICS", 90)
    processor.stop()
    processor = start(apps, kafka, "streams", PROCESSOR, **SHORT_WINDOWS)
    processor.wait_until_ready(60)
    assert eventually(lambda: list((tmp_path / "results").rglob("*.parquet")), 180)
    for app in (producer, processor, consumer, collector, scenarios, admin, statistics):
        app.stop()

    # Java's clients are answered with what this user may do with a topic, all of which the broker asks itself.
    decisions = [each for each in kafka.decisions(since=before) if each.request != "DescribeTopicPartitions"]

    refused = {(each.user, each.right, each.request) for each in decisions if not each.allowed}
    # aiokafka's first request lists all topics, and is answered with those that this user may describe.
    mine = {(name, right.name) for name in USERS for right in rights_of(manifest(name))}
    seen = {each for each in refused if (each[0], each[1].name) not in mine and each[2] == "Metadata"}
    # Write on any topic is enough to be an idempotent producer; the broker asks for the older right first, and for any.
    idempotent = {each for each in refused if each[0] in (PRODUCER, COLLECTOR) and each[2] == "InitProducerId"}
    assert refused - seen - idempotent == set()
    for name in USERS:
        asked = {each.right for each in decisions if each.allowed and each.user == name}
        granted = rights_of(manifest(name))
        needed = {right for right in asked if right.operation != "Describe"}
        assert {right for right in granted if not any(allows(right, each) for each in needed)} == set()
        assert {each for each in needed if not any(allows(right, each) for right in granted)} == set()


def allows(granted: Right, asked: Right) -> bool:
    if (granted.resource, granted.operation) != (asked.resource, asked.operation):
        return False
    return asked.name.startswith(granted.name) if granted.prefix else asked.name == granted.name


def test_a_user_without_the_right_is_refused_and_told_so(kafka: SecuredKafka, apps: Apps) -> None:
    producer = start(apps, kafka, "producer", CONSUMER, RATE="50")
    consumer = start(apps, kafka, "consumer", PRODUCER)

    producer.expect_exit(1, 30)
    assert f"this user may not write to topic {EVENTS}" in producer.output()
    refusal = r"Kafka at \S+ refuses: .*GroupAuthorizationFailedError: metrics-consumer-group"
    assert eventually(lambda: re.search(refusal, consumer.output()), 30)
    assert consumer.get("/readyz")[0] == 503


def test_a_collector_whose_user_may_not_write_is_not_ready_and_refuses(kafka: SecuredKafka, apps: Apps) -> None:
    collector = start_collector(apps, kafka, CONSUMER)

    assert eventually(lambda: post(collector, b'{"path": "/"}')[0], 30) == 503
    assert eventually(lambda: f"not authorized to write to {EVENTS}" in collector.output(), 30)


def test_the_processor_names_the_groups_that_its_user_may_not_join(kafka: SecuredKafka, apps: Apps) -> None:
    processor = start(apps, kafka, "streams", PROCESSOR, GROUP_ID="another")

    processor.expect_exit(1, 60)
    assert "it needs Read on the groups another and another-merge" in processor.output()
    assert "Traceback" not in processor.output()


@pytest.mark.parametrize(
    ("resource", "name", "said"),
    [
        ("transactionalId", "clickstream", r"\(partition \d: \[Error 53\] TransactionalIdAuthorizationFailed"),
        ("topic", PARTIALS, rf"\(partition \d: \[Error 29\] TopicAuthorizationFailedError: .*{PARTIALS}"),
    ],
)
def test_a_processor_that_may_not_write_says_what_and_does_not_fill_the_log(
    resource: str, name: str, said: str, kafka: SecuredKafka, apps: Apps
) -> None:
    def withheld(right: Right) -> bool:
        return right.resource == resource and right.name.startswith(name) and right.operation == "Write"

    user = f"processor-without-{resource.lower()}"
    kafka.add_user(user, password(user), [right for right in rights_of(manifest(PROCESSOR)) if not withheld(right)])

    processor = start(apps, kafka, "streams", user, **SHORT_WINDOWS)

    assert eventually(lambda: re.search(said, processor.get("/readyz")[1]), 60)
    told = r"(\S+): begins again from the log"
    assert eventually(lambda: len(re.findall(told, processor.output())) >= EVENTS_PARTITIONS, 30)
    partitions = re.findall(told, processor.output())
    assert len(partitions) == len(set(partitions))


def test_a_processor_with_a_wrong_password_says_so_and_waits(kafka: SecuredKafka, apps: Apps) -> None:
    processor = apps.start("clickstream_streams.main", environ=kafka.settings(PROCESSOR, "another"))

    assert eventually(lambda: "Kafka refuses the credentials" in processor.output(), 60)
    status, why = processor.get("/readyz")
    assert status == 503
    assert "check KAFKA_SASL_USERNAME and its password" in why
    assert processor.get("/healthz")[0] == 200


def test_a_wrong_password_is_refused_and_told_so(kafka: SecuredKafka, apps: Apps) -> None:
    settings = kafka.settings(PRODUCER, "another")

    producer = apps.start("clickstream_producer.main", environ=settings)

    producer.expect_exit(1, 30)
    assert "Authentication failed" in producer.output()
    assert "KAFKA_SASL_" in producer.output()
