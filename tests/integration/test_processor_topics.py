"""The processor and what operators do to its topics, offsets and settings."""

import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from clickstream_local.topics import Topic, create_missing
from kit.events import event_value
from kit.generate import generate
from kit.live import LiveStream
from kit.offline import assert_equal_to_offline_count, count_offline, read_dead_letters, read_metrics
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import (
    dead_letter_reasons,
    live_shape,
    minutes_ago,
    regular_stream,
    start_processor,
    total_events,
    wait_until_all_is_committed,
)
from kit.topics import PipelineTopics, ToSend, end_offsets, send


def test_a_missing_topic_is_named_and_waited_for(topics: PipelineTopics, apps: Apps) -> None:
    missing = f"{topics.metrics}-2"
    app = start_processor(apps, topics, METRICS_TOPIC=missing)
    app.wait_for_output(f"topic {missing} does not exist")
    assert app.get("/readyz")[0] == 503

    create_missing({"bootstrap_servers": topics.bootstrap_servers}, [Topic(missing, 3)])

    app.wait_until_ready()


def test_a_topic_that_is_deleted_while_it_runs_is_named(make_topics: Callable[..., PipelineTopics], apps: Apps) -> None:
    topics = make_topics()
    app = start_processor(apps, topics)
    app.wait_until_ready()

    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.delete_topics([topics.events])

    assert eventually(lambda: f"topic {topics.events} does not exist" in app.get("/readyz")[1], 60)
    assert app.get("/readyz")[0] == 503
    create_missing({"bootstrap_servers": topics.bootstrap_servers}, [Topic(topics.events, 2)])
    app.wait_until_ready()


@pytest.mark.parametrize("limit", [{"retention.ms": "27999"}, {"retention.ms": "-1", "retention.bytes": "1048576"}])
def test_a_topic_that_may_forget_what_a_restart_needs_is_refused_with_the_command_that_fixes_it(
    make_topics: Callable[..., PipelineTopics], apps: Apps, java: Path, jars: tuple[Path, ...], limit: dict[str, str]
) -> None:
    topics = make_topics()
    short = f"{topics.events}-short"
    create_missing({"bootstrap_servers": topics.bootstrap_servers}, [Topic(short, 1, limit)])
    app = start_processor(apps, topics, EVENTS_TOPIC=short)

    app.expect_exit(1, 30)

    line = last_line(app)
    assert f"{short} keeps" in line
    assert "a restart must replay 28s (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS)" in line
    _, command, arguments = line.partition("kafka-configs.sh ")
    assert command
    class_path = ":".join(map(str, jars))
    subprocess.run([java, "-cp", class_path, "kafka.admin.ConfigCommand", *arguments.split()], check=True, timeout=60)
    start_processor(apps, topics, EVENTS_TOPIC=short).wait_until_ready()


def test_a_machine_whose_clock_is_ahead_makes_no_event_of_others_late_where_the_topic_lets_it_in(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(message_timestamp_after_max_ms="3600000")
    app = start_processor(apps, topics, ALLOWED_LATENESS="0s")
    named = app.wait_for_output("MAX_CLOCK_SKEW is 1m")
    assert f"{topics.events} accepts records whose timestamps are up to 1h ahead of the clock" in named
    assert "--add-config message.timestamp.after.max.ms=60000" in named
    app.wait_until_ready()
    ahead = datetime.now(UTC) + timedelta(minutes=40)
    fast = [ToSend(event_value(ahead), partition=p, timestamp=int(ahead.timestamp() * 1000)) for p in range(6)]
    send(topics.bootstrap_servers, topics.events, fast)

    for _ in range(10):
        send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC))) for _ in range(10)])
        time.sleep(0.2)  # events of two seconds

    assert eventually(lambda: sum(map(total_events, read_metrics(topics).values())) == 100, 60)
    wait_until_all_is_committed(topics)
    assert not read_dead_letters(topics)


def test_two_partitions_of_partials_are_refused(topics: PipelineTopics, apps: Apps) -> None:
    two = f"{topics.partials}-2"
    create_missing({"bootstrap_servers": topics.bootstrap_servers}, [Topic(two, 2)])
    app = start_processor(apps, topics, PARTIALS_TOPIC=two)

    app.expect_exit(1, 30)

    assert f"PARTIALS_TOPIC={two} has 2 partitions; it must have exactly one" in last_line(app)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WINDOW_SIZE", "5x"),
        ("WINDOW_SIZE", "1500ms"),
        ("WINDOW_TIME", "ingestion"),
        ("ALLOWED_LATENESS", "-1s"),
        ("EXACT_LIMIT", "0"),
    ],
)
def test_a_wrong_setting_is_named(topics: PipelineTopics, apps: Apps, name: str, value: str) -> None:
    environ = {**topics.environ, "HTTP_PORT": "0", name: value}
    app = apps.start("clickstream_streams.main", environ=environ)

    app.expect_exit(2, 30)

    assert app.output().count("\n") == 1
    assert f"{name}={value}" in app.output()


def test_a_commit_beyond_the_end_of_the_log_ends_it_with_what_to_reset(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=2)
    consumer = KafkaConsumer(bootstrap_servers=topics.bootstrap_servers, group_id=topics.group_id)
    consumer.commit({TopicPartition(topics.events, 1): OffsetAndMetadata(1000, "", -1)})
    consumer.close()
    app = start_processor(apps, topics)

    app.expect_exit(1, 60)

    assert "the committed offset 1000 is beyond the log's end 0" in last_line(app)
    assert "reset the offsets" in last_line(app)
    assert topics.group_id in last_line(app)


def test_a_topic_that_is_made_again_is_counted_from_its_start(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=2)
    send(topics.bootstrap_servers, topics.events, regular_stream(minutes_ago(3), partitions=2))
    start_processor(apps, topics)
    old = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    remake(topics, partitions=2)

    with LiveStream(topics, generate(live_shape(5, 100, partitions=2), seed=28)):
        pass

    def new_windows_are_right() -> bool:
        metrics, expected = read_metrics(topics), count_offline(topics, 5)
        assert {each: metrics[each].numbers for each in metrics.keys() - old.keys()} == expected
        return bool(expected)

    # Kafka forgets the commits of a topic that is deleted, so this is a first start.
    eventually(new_windows_are_right, 60, every=1)


def remake(topics: PipelineTopics, partitions: int) -> None:
    """Delete the events topic and create it again, empty."""
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.delete_topics([topics.events])
        eventually(lambda: topics.events not in admin.list_topics(), 30)
    kafka = {"bootstrap_servers": topics.bootstrap_servers}
    create_missing(kafka, [Topic(topics.events, partitions, {"retention.ms": "-1"})])


def last_line(app: App) -> str:
    """The last line that it printed."""
    return app.child.last_lines(1)


def test_a_partition_added_while_it_runs_is_counted(make_topics: Callable[..., PipelineTopics], apps: Apps) -> None:
    topics = make_topics(partitions=2)
    app = start_processor(apps, topics)
    app.wait_until_ready()
    with LiveStream(topics, generate(live_shape(4, 200, partitions=2), seed=25)):
        pass
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.create_partitions({topics.events: 4})
    eventually(lambda: len(end_offsets(topics.bootstrap_servers, topics.events)) == 4, 30)
    with LiveStream(topics, generate(live_shape(8, 200, partitions=4), seed=26)):
        pass

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)

    assert dead_letter_reasons(topics)["expired"] == 0
    assert {place[0] for place in read_dead_letters(topics)} == {0, 1, 2, 3}


def test_another_window_size_starts_again_behind_what_was_counted(topics: PipelineTopics, apps: Apps) -> None:
    start = minutes_ago(6)
    send(topics.bootstrap_servers, topics.events, regular_stream(start))
    # Idle partitions follow the clock: without this, everything sent later would be late by then.
    lateness = {"ALLOWED_LATENESS": "10m"}
    first = start_processor(apps, topics, WINDOW_SIZE="5s", **lateness)
    small = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    first.stop()
    earlier, later = regular_stream(start + 60_000 // 2), regular_stream(start + 3 * 60_000)
    send(topics.bootstrap_servers, topics.events, earlier + later)
    began = max(result.window_end for result in small.values())

    start_processor(apps, topics, WINDOW_SIZE="30s", **lateness)

    def large() -> bool:
        found = {each: result for each, result in read_metrics(topics).items() if each not in small}
        expected = {each: numbers for each, numbers in count_offline(topics, 30).items() if each >= began}
        assert {each: result.numbers for each, result in found.items()} == expected
        return bool(expected)

    eventually(large, 60, every=1)
    metrics = read_metrics(topics)
    assert {each: metrics[each] for each in small} == small
    counted = sum(total_events(result) for each, result in metrics.items() if each not in small)
    assert dead_letter_reasons(topics) == {"expired": len(earlier + later) - counted}


def test_events_of_a_window_whose_start_was_deleted_are_expired(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=1)
    start = datetime.fromtimestamp(minutes_ago(10) / 1000, UTC)
    settings = {"WINDOW_SIZE": "1m", "OUT_OF_ORDERNESS": "1s", "IDLE_TIMEOUT": "1d"}

    def happen(*seconds: int) -> None:
        at = [start + timedelta(seconds=each) for each in seconds]
        records = [ToSend(event_value(each), timestamp=int(each.timestamp() * 1000)) for each in at]
        send(topics.bootstrap_servers, topics.events, records)

    happen(10, 20)
    first = start_processor(apps, topics, **settings)
    wait_until_all_is_committed(topics)
    first.stop()
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.delete_records({TopicPartition(topics.events, 0): 2})
    happen(30, 70, 80, 130)

    second = start_processor(apps, topics, **settings)

    found = eventually(lambda: read_metrics(topics), 40, every=0.5)
    assert {each: total_events(result) for each, result in found.items()} == {
        f"{start + timedelta(minutes=1):%FT%TZ}": 2
    }
    assert {place: each.header("reason") for place, each in read_dead_letters(topics).items()} == {(0, 2): "expired"}
    assert "are gone from the log" in second.output()


def test_offsets_that_an_operator_resets_change_no_result(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=2)
    start = minutes_ago(3)
    send(topics.bootstrap_servers, topics.events, regular_stream(start, partitions=2))
    first = start_processor(apps, topics)
    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    first.stop()
    for group, topic in ((topics.group_id, topics.events), (f"{topics.group_id}-merge", topics.partials)):
        consumer = KafkaConsumer(bootstrap_servers=topics.bootstrap_servers, group_id=group)
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
        consumer.commit({each: OffsetAndMetadata(0, "", -1) for each in partitions})
        consumer.close()

    second = start_processor(apps, topics)
    wait_until_all_is_committed(topics)
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC))) for _ in range(10)])

    # What the topic still holds is counted again, and comes to the same.
    both = eventually(lambda: len(found := assert_equal_to_offline_count(topics, 5)) > len(results) and found, 60)
    assert both
    assert {each: both[each] for each in results} == results
    assert read_dead_letters(topics) == {}
    assert "its commit has no metadata" in second.output()
