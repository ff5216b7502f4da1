"""setup.sh knows what the apps say when Kafka refuses them, and so need not wait for its whole --timeout."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clickstream_deploy.pods import last_word
from clickstream_local.ports import free_port
from clickstream_local.topics import clickstream_topics, create_missing
from kit.poll import eventually
from kit.processes import App, Apps
from kit.secured_kafka import Right, SecuredKafka

TOPICS = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
ALL_TOPICS = [Right("topic", "clickstream-", operation, prefix=True) for operation in ("Read", "Write", "Describe")]
GROUPS = [Right("group", "*", "Read"), Right("transactionalId", "*", "Write")]
APPS = ("streams", "consumer", "producer", "collector")


@pytest.fixture(scope="module")
def kafka(java: Path, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured"), java=java, jars=jars) as kafka:
        create_missing({"bootstrap_servers": [kafka.broker.bootstrap_servers]}, clickstream_topics(*TOPICS)[:4])
        yield kafka


def start(apps: Apps, app: str, environ: dict[str, str]) -> App:
    return apps.start(f"clickstream_{app}.main", environ=environ | {"ADMIN_PORT": str(free_port())})


def refused(app: App) -> bool:
    """Whether setup.sh takes the log of a pod that is not Ready for a refusal."""
    return last_word(app.output())[1]


@pytest.mark.parametrize("app", APPS)
def test_a_wrong_password_is_recognised_and_the_right_one_too(
    kafka: SecuredKafka, apps: Apps, tmp_path: Path, app: str
) -> None:
    kafka.add_user(f"password-{app}", "right", [*ALL_TOPICS, *GROUPS])
    file = tmp_path / "password"
    file.write_text("wrong")
    environ = kafka.settings(f"password-{app}", "") | {"KAFKA_SASL_PASSWORD_FILE": os.fspath(file)}
    del environ["KAFKA_SASL_PASSWORD"]
    started = start(apps, app, environ)
    eventually(lambda: refused(started), 60, every=1)
    file.write_text("right")
    eventually(lambda: not refused(started), 60, every=1)
    started.kill()


@pytest.mark.parametrize(
    ("app", "rights"),
    [*((app, []) for app in APPS), ("streams", ALL_TOPICS), ("consumer", ALL_TOPICS)],
    ids=lambda each: each if isinstance(each, str) else ("no-group" if each else "none"),
)
def test_a_missing_right_is_recognised(kafka: SecuredKafka, apps: Apps, app: str, rights: list[Right]) -> None:
    user = f"rights-{app}-{len(rights)}"
    kafka.add_user(user, "right", rights)
    started = start(apps, app, kafka.settings(user, "right"))
    eventually(lambda: refused(started), 60, every=1)
    started.kill()
