"""Replicas on machines whose clocks are wrong: the brokers' clock decides."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream_local.topics import Topic, create_missing
from kit.events import event_value
from kit.offline import Result, assert_equal_to_offline_count, read_dead_letters, read_metrics
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import SHORT_WINDOWS, sample, start_processor, total_events
from kit.topics import PipelineTopics, ToSend, send

HOUR = 3600
TESTS = Path(__file__).parents[1]


def start_with_clock_ahead(apps: Apps, topics: PipelineTopics, seconds: int, **settings: str) -> App:
    environ = {**topics.environ, **SHORT_WINDOWS, "PYTHONPATH": str(TESTS), "CLOCK_AHEAD_S": str(seconds)}
    return apps.start("kit.wrong_clock", "clickstream_streams.main", environ=environ, **settings)


def happen(topics: PipelineTopics, at: float, partition: int = 0) -> None:
    """Write an event of that time, in seconds since the epoch."""
    value = event_value(datetime.fromtimestamp(at, UTC))
    send(topics.bootstrap_servers, topics.events, [ToSend(value, partition=partition, timestamp=int(at * 1000))])


@pytest.mark.parametrize("ahead", [HOUR, -HOUR])
def test_a_replica_whose_clock_is_wrong_takes_idle_partitions_where_the_brokers_clock_is(
    make_topics: Callable[..., PipelineTopics], apps: Apps, ahead: int
) -> None:
    topics = make_topics(partitions=2)
    app = start_with_clock_ahead(apps, topics, ahead)
    app.wait_until_ready(60)

    # All are idle, and follow a clock.
    watermark = eventually(lambda: sample(app, "clickstream_streams_watermark_timestamp_seconds", partition="1"), 60)
    assert time.time() - 60 < watermark < time.time()

    offset = sample(app, "clickstream_streams_clock_offset_seconds")
    assert offset == pytest.approx(ahead, abs=30)
    assert f"the clock of this machine is 1h {'ahead of' if ahead > 0 else 'behind'} the brokers', MAX" in app.output()

    happen(topics, time.time())
    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=0.5)
    assert len(read_metrics(topics)) == 1
    assert read_dead_letters(topics) == {}


def test_what_a_replica_whose_clock_is_slow_has_emitted_is_read_back(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    made = make_topics(partitions=1)
    topics = replace(made, metrics=f"{made.metrics}-by-writers")
    create_missing({"bootstrap_servers": [made.bootstrap_servers]}, [Topic(topics.metrics, 3, {"retention.ms": "-1"})])
    settings = {"ALLOWED_LATENESS": "10m"}
    first = start_with_clock_ahead(apps, topics, -2 * HOUR, **settings)
    at = time.time() // 5 * 5
    happen(topics, at)
    eventually(lambda: read_metrics(topics), 60)
    first.stop()

    second = start_processor(apps, topics, **settings)
    happen(topics, at + 1)

    def revised() -> Result | None:
        (result,) = read_metrics(topics).values()  # which fails for a revision that is there twice
        return result if total_events(result) == 2 else None

    result = eventually(revised, 60)
    assert result
    assert result.revision == 1
    assert f"records on {topics.metrics} have the time of the replica that writes them" in second.output()


def test_without_the_brokers_time_the_processor_says_so_and_works_by_its_own(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    made = make_topics(partitions=1)
    topics = replace(made, partials=f"{made.partials}-by-writers", metrics=f"{made.metrics}-by-writers")
    theirs = [Topic(name, 1, {"retention.ms": "-1"}) for name in (topics.partials, topics.metrics)]
    create_missing({"bootstrap_servers": [made.bootstrap_servers]}, theirs)
    app = start_processor(apps, topics)
    app.wait_for_output(f"--entity-name {topics.partials} --add-config message.timestamp.type=LogAppendTime")

    happen(topics, time.time())

    eventually(lambda: read_metrics(topics) and assert_equal_to_offline_count(topics, 5), 60)
    assert sample(app, "clickstream_streams_clock_offset_seconds") == 0
