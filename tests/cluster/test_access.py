"""Passwords and rights: what an app says that Kafka refuses, and that it recovers."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.installation import CONSUMER, PROCESSOR, PRODUCER, RELEASES, Installation
from cluster.second_release import (
    kafka_user,
    password_of,
    password_secret,
    second_release,
    set_password,
    wait_for_refusal,
)

# May do what the consumer may, in a group of its own, so that the first consumer still shows all results.
SECOND_CONSUMER = [
    {"resource": {"type": "topic", "name": "clickstream-metrics"}, "operations": ["Read"]},
    {"resource": {"type": "group", "name": "second-consumer"}, "operations": ["Read"]},
]


@pytest.fixture
def refused() -> Iterator[ExitStack]:
    """What is entered here is removed after the test."""
    with ExitStack() as stack:
        yield stack


def test_a_user_without_rights_is_refused(installation: Installation, refused: ExitStack, tmp_path: Path) -> None:
    user = refused.enter_context(kafka_user(installation, "stranger"))
    for release in RELEASES:
        other = {"kafka.authentication.secret": user}
        refused.enter_context(second_release(installation, release, f"stranger-{release[12:]}", tmp_path, other))

    wait_for_refusal(installation, "stranger-producer", "this user may not write to topic clickstream-events")
    wait_for_refusal(installation, "stranger-streams-processor", "not authorized to describe topic clickstream-events")
    wait_for_refusal(installation, "stranger-consumer", "Kafka at data-on-eks-kafka-bootstrap:9093 refuses: ")


def test_a_wrong_password_is_refused_until_it_is_right(
    installation: Installation, refused: ExitStack, tmp_path: Path
) -> None:
    wrong = refused.enter_context(password_secret(installation, "wrong-password", "not the password"))
    user = refused.enter_context(kafka_user(installation, "second-consumer", SECOND_CONSUMER))
    for release, name in ((PRODUCER, PRODUCER), (PROCESSOR, PROCESSOR), (CONSUMER, user)):
        other = {"kafka.authentication.secret": wrong, "kafka.authentication.username": name}
        if release == CONSUMER:
            other["groupId"] = "second-consumer"
        refused.enter_context(second_release(installation, release, f"wrong-{release[12:]}", tmp_path, other))

    wait_for_refusal(installation, "wrong-producer", "Kafka refuses the connection")
    wait_for_refusal(installation, "wrong-streams-processor", "Kafka refuses the credentials")
    wait_for_refusal(installation, "wrong-consumer", "Kafka at data-on-eks-kafka-bootstrap:9093 refuses: ")

    set_password(installation, wrong, password_of(installation, user))
    installation.wait_until_ready("wrong-consumer", deadline_seconds=240)
