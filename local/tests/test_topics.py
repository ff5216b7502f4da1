"""How long topics keep their records: those that the launcher makes, those that it made before, and foreign ones."""

import uuid

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import InvalidTimestampError

from clickstream_core.processor_times import DAY_MS, ProcessorTimes
from clickstream_local.broker import Broker
from clickstream_local.errors import TopicsFailed
from clickstream_local.topics import (
    Topic,
    clickstream_topics,
    create_missing,
    keep_long_enough,
    risk_of_timestamps,
)
from kit.topics import ToSend, send

OLDEST, FIFTY_YEARS_MS = "message.timestamp.before.max.ms", 50 * 365 * DAY_MS
DAILY = ProcessorTimes(window_size=DAY_MS)
LATE = ProcessorTimes(allowed_lateness=7 * DAY_MS)


def names() -> list[str]:
    prefix = f"t{uuid.uuid4().hex[:10]}"
    return [f"{prefix}-{each}" for each in ("events", "metrics", "partials", "dead-letters")]


def config(broker: Broker) -> dict[str, object]:
    return {"bootstrap_servers": [broker.bootstrap_servers], "security_protocol": "PLAINTEXT"}


def kept(broker: Broker, topics: list[str], setting: str = "retention.ms") -> list[int]:
    return [int(value) for value in settings(broker, topics, setting)]


def settings(broker: Broker, topics: list[str], name: str) -> list[str]:
    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        found = admin.describe_configs(resources, config_filter="all")["topic"]
    return [found[topic][name]["value"] for topic in topics]


def make(broker: Broker, topics: list[str], times: ProcessorTimes) -> str:
    """As the launcher does on its own broker."""
    wanted = clickstream_topics(*topics, times=times)[:4]
    create_missing(config(broker), wanted)
    return keep_long_enough(config(broker), wanted, times, own=topics)


@pytest.mark.parametrize(
    ("times", "days"),
    [
        (ProcessorTimes(), [1, 7, 1, 7]),
        (DAILY, [2, 7, 2, 7]),
        (LATE, [8, 8, 8, 8]),
        (ProcessorTimes(DAY_MS, DAY_MS, 7 * DAY_MS, DAY_MS, DAY_MS), [12, 12, 12, 12]),
    ],
)
def test_topics_keep_what_the_settings_need_and_dead_letters_as_long_as_events(
    times: ProcessorTimes, days: list[int]
) -> None:
    topics = clickstream_topics("e", "m", "p", "d", times=times)
    assert [topic.configs["retention.ms"] for topic in topics[:4]] == [str(each * DAY_MS) for each in days]


def test_own_topics_of_an_earlier_run_are_raised_and_never_lowered(broker: Broker) -> None:
    topics = names()
    assert make(broker, topics, ProcessorTimes()) == ""
    assert make(broker, topics, DAILY) == (
        f"Topics keep their records for longer: {topics[0]} 2d (was 1d), {topics[2]} 2d (was 1d); "
        f"a restart needs 86465s"
    )
    assert kept(broker, topics) == [2 * DAY_MS, 7 * DAY_MS, 2 * DAY_MS, 7 * DAY_MS]
    assert kept(broker, topics[:1], "message.timestamp.after.max.ms") == [60_000]
    assert make(broker, topics, ProcessorTimes()) == ""
    assert kept(broker, topics) == [2 * DAY_MS, 7 * DAY_MS, 2 * DAY_MS, 7 * DAY_MS]


def test_own_topics_of_an_earlier_version_get_the_brokers_time(broker: Broker) -> None:
    topics = names()
    old = [Topic(name, 1, {"retention.ms": str(8 * DAY_MS)}) for name in topics]
    create_missing(config(broker), old)
    assert make(broker, topics, ProcessorTimes()) == ""
    types = ["CreateTime", "LogAppendTime", "LogAppendTime", "CreateTime"]
    assert settings(broker, topics, "message.timestamp.type") == types
    assert kept(broker, [topics[0], topics[3]], OLDEST) == [FIFTY_YEARS_MS] * 2
    assert kept(broker, topics) == [8 * DAY_MS] * 4


def test_no_record_gets_in_whose_timestamp_would_end_the_archive(broker: Broker) -> None:
    topics = names()
    make(broker, topics, ProcessorTimes())
    for topic in (topics[0], topics[3]):
        with pytest.raises(InvalidTimestampError):
            send(broker.bootstrap_servers, topic, [ToSend(b"old", timestamp=-5)])
        send(broker.bootstrap_servers, topic, [ToSend(b"now"), ToSend(b"1990", timestamp=20 * 365 * DAY_MS)])


def test_foreign_topics_that_take_such_records_are_named_with_the_command(broker: Broker) -> None:
    topics = names()
    create_missing(config(broker), [Topic(name, 1, {}) for name in topics])
    line = risk_of_timestamps(config(broker), clickstream_topics(*topics)[:4])
    assert line.startswith("A record with a negative timestamp would end the archive: kafka-configs.sh ")
    for topic in (topics[0], topics[3]):
        assert f"--entity-name {topic} --add-config {OLDEST}={FIFTY_YEARS_MS}" in line
    assert topics[1] not in line
    make(broker, topics, ProcessorTimes())
    assert risk_of_timestamps(config(broker), clickstream_topics(*topics)[:4]) == ""


def test_an_own_topic_is_not_limited_in_bytes_either(broker: Broker) -> None:
    topics = names()
    create_missing(config(broker), [Topic(topics[0], 6, {"retention.bytes": "1000", "retention.ms": "-1"})])
    assert f"{topics[0]} forever (was 1000 bytes)" in make(broker, topics, ProcessorTimes())
    assert kept(broker, topics[:1]) == [-1]
    assert kept(broker, topics[:1], "retention.bytes") == [-1]


def test_a_foreign_topic_is_left_as_it_is_and_refused_with_the_command_that_fixes_it(broker: Broker) -> None:
    topics = names()
    wanted = clickstream_topics(*topics, times=DAILY)[:4]
    create_missing(config(broker), [Topic(topics[0], 6, {"retention.ms": "3600000"}), Topic(topics[3], 1)])
    created = create_missing(config(broker), wanted)
    assert set(created) == set(topics[1:3])
    with pytest.raises(TopicsFailed) as refusal:
        keep_long_enough(config(broker), wanted, DAILY, own=created)
    assert str(refusal.value) == (
        f"{topics[0]} keeps records for 1h, a restart must replay 86465s (WINDOW_SIZE + OUT_OF_ORDERNESS + "
        f"ALLOWED_LATENESS): lower these, or kafka-configs.sh --bootstrap-server {broker.bootstrap_servers} --alter "
        f"--entity-type topics --entity-name {topics[0]} --add-config retention.ms={2 * DAY_MS}"
    )
    assert kept(broker, topics[:1]) == [3_600_000]
    assert keep_long_enough(config(broker), wanted, ProcessorTimes(1000, 1000, 1000), own=created) == ""
