"""Replicas that come, go, die and freeze while events flow change no number."""

from prometheus_client.parser import text_string_to_metric_families

from kit.generate import generate
from kit.live import LiveStream
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import assert_nothing_was_refused_in_vain, live_shape, start_processor, windows_announced
from kit.topics import PipelineTopics, ToSend, lag


def wait_for_share(live: LiveStream, records: list[ToSend], share: float) -> None:
    """Wait until that share of the stream has been sent."""
    eventually(lambda: live.sent >= share * len(records), 60)


def emitter(*replicas: App) -> App:
    """Wait until one of the replicas announces a window that it had not announced yet, and return it."""
    before = [len(windows_announced(each)) for each in replicas]

    def announcing() -> App | None:
        news = (each for each, count in zip(replicas, before, strict=True) if len(windows_announced(each)) > count)
        return next(news, None)

    found = eventually(announcing, 60)
    assert found is not None
    return found


def test_replicas_join_and_leave_while_events_flow(topics: PipelineTopics, apps: Apps) -> None:
    shape = live_shape(20, 300)
    records = generate(shape, seed=11)
    first = start_processor(apps, topics)
    with LiveStream(topics, records) as live:
        first.wait_until_ready()
        wait_for_share(live, records, 0.2)
        second, third = start_processor(apps, topics), start_processor(apps, topics)
        second.wait_until_ready()
        third.wait_until_ready()
        wait_for_share(live, records, 0.6)
        first.stop()
        wait_for_share(live, records, 0.8)
        second.stop()

    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    announced = windows_announced(first, second, third)
    assert len(announced) == len(set(announced)) == sum(result.revision + 1 for result in results.values())
    behind = lag(topics.bootstrap_servers, topics.group_id, topics.events)
    assert set(behind.values()) == {0}


def test_a_killed_replica_that_comes_back_changes_no_number(topics: PipelineTopics, apps: Apps) -> None:
    shape = live_shape(15, 300)
    records = generate(shape, seed=12)
    killed = start_processor(apps, topics)
    with LiveStream(topics, records) as live:
        wait_for_share(live, records, 0.5)
        killed.kill()
        start_processor(apps, topics)

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)


def test_another_replica_takes_over_from_a_killed_one(topics: PipelineTopics, apps: Apps) -> None:
    shape = live_shape(15, 300)
    records = generate(shape, seed=13)
    replicas = [start_processor(apps, topics), start_processor(apps, topics)]
    with LiveStream(topics, records):
        killed = emitter(*replicas)
        killed.kill()

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    survivor = next(each for each in replicas if each is not killed)
    assert windows_announced(survivor)


def test_a_frozen_replica_that_goes_on_changes_no_number(topics: PipelineTopics, apps: Apps) -> None:
    shape = live_shape(25, 300)
    records = generate(shape, seed=14)
    replicas = [start_processor(apps, topics), start_processor(apps, topics)]
    with LiveStream(topics, records):
        frozen = emitter(*replicas)
        frozen.pause()
        other = next(each for each in replicas if each is not frozen)
        assert emitter(other) is other
        frozen.resume()

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    assert_nothing_was_refused_in_vain(topics, shape)
    for each in replicas:
        each.wait_until_ready(60)


def test_only_one_of_two_replicas_emits(topics: PipelineTopics, apps: Apps) -> None:
    replicas = [start_processor(apps, topics), start_processor(apps, topics)]
    for each in replicas:
        each.wait_until_ready(60)
    shape = live_shape(7, 200)
    with LiveStream(topics, generate(shape, seed=15)):
        pass

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)

    assert sorted(bool(windows_announced(each)) for each in replicas) == [False, True]


def shown_partitions(replica: App, name: str) -> set[str]:
    """The partitions of which the replica's gauge tells."""
    families = text_string_to_metric_families(replica.get("/metrics")[1])
    return {each.labels["partition"] for family in families for each in family.samples if each.name == name}


def test_a_partition_is_shown_by_the_replica_that_owns_it(topics: PipelineTopics, apps: Apps) -> None:
    gauges = [f"clickstream_streams_{each}" for each in ("lag_records", "watermark_timestamp_seconds", "open_windows")]
    with LiveStream(topics, generate(live_shape(4, 300), seed=16)):
        first = start_processor(apps, topics)
        first.wait_until_ready()
        everything = {str(partition) for partition in range(6)}
        eventually(lambda: all(shown_partitions(first, gauge) == everything for gauge in gauges), 60)
        second = start_processor(apps, topics)
        second.wait_until_ready()

        def shared() -> bool:
            for gauge in gauges:
                of_first, of_second = shown_partitions(first, gauge), shown_partitions(second, gauge)
                assert of_second, f"{gauge}: the second replica owns nothing yet"
                assert of_first | of_second == everything, gauge
                assert not of_first & of_second, f"{gauge}: both report {sorted(of_first & of_second)}"
            return True

        eventually(shared, 30)
