"""What is asked of the brokers, and what an answer means."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream_streams.offsets import topic_retention

TOPIC_AUTHORIZATION_FAILED = 29


class Admin:
    """An admin client whose brokers answer a question for a topic's configuration like this."""

    def __init__(self, error_code: int, entries: list[tuple[str, str | None]]) -> None:
        self._resource = (error_code, "", 2, "events", entries)

    async def describe_configs(self, resources: object) -> list[Any]:
        return [SimpleNamespace(resources=[self._resource])]


def retention(admin: Any) -> int | None:
    return asyncio.run(topic_retention(admin, "events"))


def test_the_retention_is_what_the_topic_says() -> None:
    assert retention(Admin(0, [("retention.bytes", "-1"), ("retention.ms", "86400000")])) == 86_400_000


def test_a_topic_that_keeps_everything_has_no_retention() -> None:
    assert retention(Admin(0, [("retention.ms", "-1")])) is None


def test_a_retention_that_may_not_be_looked_at_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert retention(Admin(TOPIC_AUTHORIZATION_FAILED, [])) is None
    (record,) = caplog.records
    assert "can't check whether the retention of events is long enough" in record.getMessage()
