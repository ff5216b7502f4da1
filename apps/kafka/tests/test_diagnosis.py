"""What is said of a Kafka that can't be reached."""

import socket
from typing import Any

import pytest

from clickstream_kafka import diagnosis


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], "no address is known for kafka-a:9092, kafka-b:9092 (Name or service not known): check KAFKA_BOOTSTRAP_"),
        (["kafka-b"], None),
    ],
)
async def test_names_that_do_not_resolve_are_named(
    monkeypatch: pytest.MonkeyPatch, known: list[str], expected: str | None
) -> None:
    async def create_conn(host: str, port: int, **options: Any) -> None:
        raise ConnectionRefusedError if host in known else socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(diagnosis, "create_conn", create_conn)
    why = await diagnosis.why_refused({"bootstrap_servers": ["kafka-a:9092", "kafka-b:9092"]})
    assert why is None if expected is None else why is not None and why.startswith(expected)
