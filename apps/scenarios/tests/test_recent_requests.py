import json
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer

from clickstream_local.broker import Broker
from clickstream_scenarios.recent_requests import RecentRequests
from clickstream_scenarios.requests import read_access_log, read_event
from clickstream_scenarios.trial_api import KafkaAway
from kit.scenarios import access_log, create_scenario_topics


async def test_the_last_requests_of_both_topics_are_read_again_after_a_while(broker: Broker) -> None:
    topics = create_scenario_topics(broker.bootstrap_servers)
    read: dict[str, Callable[[bytes | None, int], object]] = {
        topics.access_logs: read_access_log,
        topics.events: read_event,
    }
    now = 0.0
    recent = RecentRequests({"bootstrap_servers": broker.bootstrap_servers}, read, 10, lambda: now)
    assert await recent.last() == []
    event = {"scenario_id": 7, "timestamp": "2026-11-27T09:00:00Z", "e_c": "click"}
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers) as producer:
        for number in range(20):
            await producer.send_and_wait(topics.access_logs, access_log(f"/5?n={number}"), partition=0)
        await producer.send_and_wait(topics.access_logs, b"nonsense", partition=1)
        await producer.send_and_wait(topics.events, json.dumps(event).encode(), partition=1)
        await producer.send_and_wait(topics.events, b'{"event_type":"page_view"}', partition=0)
    assert await recent.last() == [], "what was read is kept for a moment"
    now += 60
    found = await recent.last()
    assert [each.scenario_id for each in found] == [7, 5, 5, 5, 5, 5]
    assert [each.parameter("n") for each in found[1:]] == ["15", "16", "17", "18", "19"]


async def test_a_kafka_that_is_away_is_named() -> None:
    recent = RecentRequests({"bootstrap_servers": "127.0.0.1:1"}, {"topic": read_event}, 10)
    with pytest.raises(KafkaAway, match="^Kafka is away: "):
        await recent.last()
