"""How often aiokafka asks a broker that answers each fetch at once with an error."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from clickstream_kafka.patches import aiokafka_fetch_errors


async def test_a_broker_that_answers_with_errors_is_asked_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(*_: Any) -> bool:
        return False

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleep)
    state = SimpleNamespace(has_valid_position=True, position=7)
    assignment = SimpleNamespace(active=True, state_value=lambda partition: state)
    request = SimpleNamespace(topics=[("events", [(0, 7, 1000)])])
    fetcher = SimpleNamespace()
    for _ in range(5):
        assert not await aiokafka_fetch_errors._fetch_and_pause(fetch, fetcher, assignment, 1, request)
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.5]
    state.position = 8  # the consumer has sought to another offset: there is no reason to wait
    await aiokafka_fetch_errors._fetch_and_pause(fetch, fetcher, assignment, 1, request)
    assert len(pauses) == 5
