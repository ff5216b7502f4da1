"""A password that Kafka refuses, and one that is corrected in its file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_local.ports import free_port
from clickstream_local.topics import clickstream_topics, create_missing
from kit.poll import eventually
from kit.processes import App, Apps
from kit.secured_kafka import Right, SecuredKafka

TOPICS = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
RIGHTS = [
    *(Right("topic", "clickstream-", operation, prefix=True) for operation in ("Read", "Write", "Describe")),
    Right("group", "metrics-consumer-group", "Read"),
]
APPS = ("producer", "consumer")


@pytest.fixture(scope="module")
def kafka(java: Path, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured"), java=java, jars=jars) as kafka:
        create_missing({"bootstrap_servers": [kafka.broker.bootstrap_servers]}, clickstream_topics(*TOPICS)[:4])
        yield kafka


def settings(kafka: SecuredKafka, user: str, file: Path) -> dict[str, str]:
    with_password = kafka.settings(user, "")
    del with_password["KAFKA_SASL_PASSWORD"]
    return with_password | {"KAFKA_SASL_PASSWORD_FILE": str(file)}


@pytest.mark.parametrize("app", APPS)
def test_a_refused_password_file_is_named_as_that_and_read_until_it_is_right(
    kafka: SecuredKafka, apps: Apps, tmp_path: Path, app: str
) -> None:
    file = tmp_path / "password"
    file.write_text("wrong")
    kafka.add_user(f"first-{app}", "right", RIGHTS)
    started = apps.start(f"clickstream_{app}.main", environ=settings(kafka, f"first-{app}", file))
    started.wait_for_output("invalid credentials")
    assert "disconnected" not in started.output()
    assert "away" not in started.output()
    eventually(lambda: "invalid credentials" in started.get("/readyz")[1], 10)
    assert started.get("/readyz")[0] == 503
    file.write_text("right")
    started.wait_until_ready(60)
    started.stop()


@pytest.mark.parametrize("app", [*APPS, "collector"])
def test_a_password_that_changes_while_running_is_waited_for(
    kafka: SecuredKafka, apps: Apps, tmp_path: Path, app: str
) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    kafka.add_user(f"second-{app}", "old", RIGHTS)
    admin_port = free_port()
    environ = settings(kafka, f"second-{app}", file) | {"ADMIN_PORT": str(admin_port)}
    started = apps.start(f"clickstream_{app}.main", environ=environ)
    if app == "collector":
        started = App(started.child, started.log, admin_port)
    started.wait_until_ready(60)
    kafka.add_user(f"second-{app}", "new", [])
    kafka.broker.restart()
    eventually(lambda: "invalid credentials" in started.get("/readyz")[1], 60)
    assert started.get("/readyz")[0] == 503
    assert started.get("/healthz")[0] == 200
    file.write_text("new")
    started.wait_until_ready(60)
    started.stop()
    assert "Traceback" not in started.output()
