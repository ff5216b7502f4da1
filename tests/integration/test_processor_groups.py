"""Processors of two groups on the same topics: each counts everything, by its own settings, as if it were alone."""

from kit.generate import generate
from kit.live import LiveStream
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import (
    assert_nothing_was_refused_in_vain,
    live_shape,
    minutes_ago,
    regular_stream,
    start_processor,
    total_events,
)
from kit.topics import PipelineTopics, ToSend, read_all, send


def test_two_groups_with_replicas_and_kills_count_the_same_events_in_windows_of_their_own(
    topics: PipelineTopics, apps: Apps
) -> None:
    shape = live_shape(15, 300)
    records = generate(shape, seed=21)
    second = topics.of_group(f"{topics.group_id}-2")
    of_first = [start_processor(apps, topics) for _ in range(2)]
    of_second = [start_processor(apps, second, WINDOW_SIZE="3s") for _ in range(2)]
    with LiveStream(topics, records) as live:
        eventually(lambda: live.sent >= 0.5 * len(records), 60)
        of_first[0].kill()
        of_second[0].kill()
        start_processor(apps, second, WINDOW_SIZE="3s")

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)
    eventually(lambda: assert_equal_to_offline_count(second, 3), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    assert_nothing_was_refused_in_vain(second, shape)


def test_a_group_that_comes_later_counts_what_the_first_has_called_over(topics: PipelineTopics, apps: Apps) -> None:
    refused = [ToSend(b"no event", partition=each) for each in range(6)]
    send(topics.bootstrap_servers, topics.events, [*regular_stream(minutes_ago(9)), *refused])
    second = topics.of_group(f"{topics.group_id}-2")
    first = start_processor(apps, topics)
    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=0.5)
    first.wait_until_ready()

    restarted = start_processor(apps, second, WINDOW_SIZE="10s")
    eventually(lambda: assert_equal_to_offline_count(second, 10), 60, every=0.5)
    restarted.kill()
    start_processor(apps, second, WINDOW_SIZE="10s").wait_until_ready(60)

    assert assert_equal_to_offline_count(topics, 5) == results
    assert sum(map(total_events, assert_equal_to_offline_count(second, 10).values())) == 600
    for topic in (topics.partials, topics.metrics, topics.dead_letters):
        groups = {each.header("group") for each in read_all(topics.bootstrap_servers, topic)}
        assert groups == {topics.group_id, second.group_id}, topic


def test_a_dashboard_shows_the_results_of_one_group(topics: PipelineTopics, apps: Apps) -> None:
    second = topics.of_group(f"{topics.group_id}-2")
    send(topics.bootstrap_servers, topics.events, regular_stream(minutes_ago(9)))
    dashboard = {**second.environ, "GROUP_ID": f"{topics.group_id}-dashboard", "FROM_BEGINNING": "true"}
    shown = apps.start("clickstream_consumer.main", environ=dashboard)
    start_processor(apps, topics, WINDOW_SIZE="20s")
    eventually(lambda: assert_equal_to_offline_count(topics, 20), 60, every=0.5)
    start_processor(apps, second, WINDOW_SIZE="60s")
    results = eventually(lambda: assert_equal_to_offline_count(second, 60), 60, every=0.5)

    shown.wait_for_output(f"Total consumed: {len(results)}")

    windows = [line for line in shown.output().splitlines() if line.startswith("⏰ Window: ")]
    assert windows == [f"⏰ Window: {each.window_start} → {each.window_end}" for each in results.values()]
