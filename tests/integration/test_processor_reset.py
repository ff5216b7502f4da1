"""Counting again: `clickstream-streams reset`, and offsets that are lost."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from kafka import KafkaAdminClient, TopicPartition

from kit.events import event_value
from kit.offline import Result, assert_equal_to_offline_count, read_dead_letters, read_metrics
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import SHORT_WINDOWS, minutes_ago, regular_stream, start_processor, wait_until_all_is_committed
from kit.topics import PipelineTopics, ToSend, send


def reset(topics: PipelineTopics, *how: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clickstream_streams.main", "reset", *how]
    environ = {**topics.environ, **SHORT_WINDOWS, **settings}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


def counted(topics: PipelineTopics, apps: Apps) -> dict[str, Result]:
    """Have a minute of events, two of them malformed, counted by a processor that is stopped then."""
    refused = [ToSend(b"no event", partition=0), ToSend(b"[]", partition=5)]
    send(topics.bootstrap_servers, topics.events, [*regular_stream(minutes_ago(5)), *refused])
    app = start_processor(apps, topics)
    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=0.5)
    wait_until_all_is_committed(topics)
    app.stop()
    return results


def counts_a_new_window(topics: PipelineTopics, apps: Apps) -> App:
    """Start a processor again, and wait until it has counted what was there and ten events more."""
    before = len(read_metrics(topics))
    app = start_processor(apps, topics)
    app.wait_until_ready()
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC))) for _ in range(10)])
    eventually(lambda: len(assert_equal_to_offline_count(topics, 5)) > before, 60, every=0.5)
    return app


def test_everything_is_counted_again_and_what_comes_to_the_same_is_not_said_again(
    topics: PipelineTopics, apps: Apps
) -> None:
    results = counted(topics, apps)
    letters = read_dead_letters(topics)
    assert len(letters) == 2

    done = reset(topics, "--to-earliest")

    assert (done.returncode, done.stderr) == (0, "")
    assert "counts again from offset 0" in done.stdout
    counts_a_new_window(topics, apps)
    again = read_metrics(topics)
    assert {start: again[start] for start in results} == results
    assert read_dead_letters(topics) == letters


def test_windows_that_differ_get_their_next_revision(topics: PipelineTopics, apps: Apps) -> None:
    """Events of windows that are over are late; counted again with more patience, they count."""
    results = counted(topics, apps)
    oldest = min(results)
    straggler = event_value(datetime.fromisoformat(oldest))
    app = start_processor(apps, topics)
    send(topics.bootstrap_servers, topics.events, [ToSend(straggler, partition=3)])
    eventually(lambda: "late" in {each.header("reason") for each in read_dead_letters(topics).values()}, 60)
    app.stop()
    total = results[oldest].numbers["total_events"]
    assert isinstance(total, int)

    assert reset(topics, "--to-earliest", ALLOWED_LATENESS="1d").returncode == 0
    start_processor(apps, topics, ALLOWED_LATENESS="1d")

    revised = eventually(lambda: (found := read_metrics(topics)[oldest]).revision == 1 and found, 60, every=0.5)
    assert revised
    assert revised.numbers["total_events"] == total + 1


def test_windows_before_the_given_time_stay_as_they_are(topics: PipelineTopics, apps: Apps) -> None:
    results = counted(topics, apps)
    letters = read_dead_letters(topics)
    middle = sorted(results)[len(results) // 2]

    done = reset(topics, "--to-datetime", middle)

    assert done.returncode == 0
    assert f"windows that end at {middle} or before stay" in done.stdout
    counts_a_new_window(topics, apps)
    again = read_metrics(topics)
    assert {start: again[start] for start in results} == results
    assert read_dead_letters(topics) == letters


def test_windows_of_which_the_topic_holds_a_part_only_stay_as_they_are(topics: PipelineTopics, apps: Apps) -> None:
    results = counted(topics, apps)
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.delete_records({TopicPartition(topics.events, 2): 50})

    assert reset(topics, "--to-earliest", MAX_CLOCK_SKEW="0s").returncode == 0
    app = start_processor(apps, topics, MAX_CLOCK_SKEW="0s")
    wait_until_all_is_committed(topics)
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC)))])

    eventually(lambda: len(read_metrics(topics)) > len(results), 60, every=0.5)
    again = read_metrics(topics)
    assert {start: again[start] for start in results} == results
    assert app.child.running


def test_a_group_with_a_member_is_not_reset(topics: PipelineTopics, apps: Apps) -> None:
    app = start_processor(apps, topics)
    app.wait_until_ready()

    done = reset(topics, "--to-earliest")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"group {topics.group_id}" in done.stderr
    assert "stop all replicas" in done.stderr


@pytest.mark.parametrize(
    "how", [(), ("--to-earliest", "--to-datetime", "2024-10-26T10:30:00Z"), ("--to-datetime", "soon")]
)
def test_from_when_on_has_to_be_said_once(topics: PipelineTopics, how: tuple[str, ...]) -> None:
    done = reset(topics, *how)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_offsets_that_are_lost_make_no_dead_letter_of_what_was_counted(topics: PipelineTopics, apps: Apps) -> None:
    """Deleted here; Kafka deletes those of a group that stands still for a week."""
    results = counted(topics, apps)
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        groups = [topics.group_id, f"{topics.group_id}-merge"]
        eventually(lambda: set(admin.delete_groups(groups).values()) == {"OK"}, 30)

    app = start_processor(apps, topics)
    app.wait_until_ready()
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC))) for _ in range(10)])

    eventually(lambda: len(read_metrics(topics)) > len(results), 60, every=0.5)
    again = read_metrics(topics)
    assert {start: again[start] for start in results} == results
    letters = topics.read(topics.dead_letters, "read_committed")
    assert {each.header("reason") for each in letters} == {"not_json", "not_object"}
    app.wait_for_output("counted again")
