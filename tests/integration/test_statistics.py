"""The statistics as processes: kill -9, two drivers, a batch repeated, Redis flushed and away: no number changes.

What a session costs, some 16 s, is why so much happens to one job.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from kit.poll import eventually
from kit.processes import Apps, processes_naming
from kit.processor import sample
from kit.redis_server import redis_server
from kit.scenarios import ScenarioTopics, create_scenario_topics
from kit.statistics import (
    MALFORMED,
    expected_numbers,
    expected_rows,
    numbers,
    results,
    send_transactions,
    start_statistics,
    stored,
)

START_S = 180.0
"""A session takes 16 s on two free cores, and a cold first batch some more."""


@pytest.fixture
def topics(broker: Broker) -> ScenarioTopics:
    return create_scenario_topics(broker.bootstrap_servers, partitions=3)


def test_parquet_and_redis_have_each_result_once_whatever_happens_to_the_job(
    topics: ScenarioTopics, apps: Apps, spark_jars: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    (tmp_path / "redis").mkdir()

    def everything() -> bool:
        messages = topics.read(topics.results)
        found, expected = stored(folder), expected_rows(messages)
        assert len(found) == len(expected)
        assert found == expected
        return True

    with redis_server(tmp_path / "redis") as redis, ThreadPoolExecutor() as threads:
        first = start_statistics(apps, topics, spark_jars, folder, redis.url)
        send_transactions(topics, results(2_000, seed=1), "before")
        eventually(lambda: stored(folder), START_S, every=0.5)
        sending = threads.submit(send_transactions, topics, results(6_000, seed=2), "during", 100)
        eventually(lambda: len(stored(folder)) > 2_000, 60)
        first.kill()
        eventually(lambda: not processes_naming(first.log.parent, environment=True), 30)
        assert len(set(stored(folder))) == len(stored(folder)), "half a batch is not there twice"

        # Spark repeats what it knows nothing of; Redis has nothing, and then is away.
        committed = max((folder / "_checkpoints/query/commits").glob("[0-9]*"), key=lambda each: int(each.name))
        committed.unlink()
        redis.client.flushall()
        redis.stop()
        drivers = [start_statistics(apps, topics, spark_jars, folder, redis.url) for _ in range(2)]
        sending.result()
        send_transactions(topics, results(1_000, seed=3), "after")
        eventually(everything, START_S, every=1)
        redis.start()
        eventually(lambda: numbers(redis.client) == expected_numbers(topics.read(topics.results)), 60, every=0.5)

        seeds = count(4)

        def one_goes_on() -> bool:
            running = [each for each in drivers if each.child.running]
            assert running, "one of the two goes on"
            if len(running) == 2:  # they notice it at a batch that both have
                seed = next(seeds)
                send_transactions(topics, results(20, seed=seed), f"again-{seed}")
            return len(running) == 1

        eventually(one_goes_on, START_S, every=1)
        (last,) = (each for each in drivers if each.child.running)
        (ended,) = (each for each in drivers if each is not last)
        ended.expect_exit(1, 10)
        assert "run only one with these checkpoints" in ended.output()
        send_transactions(topics, results(500, seed=next(seeds)), "at last")
        eventually(everything, 60, every=0.5)
        redis.client.flushall()
        eventually(lambda: numbers(redis.client) == expected_numbers(topics.read(topics.results)), 60, every=0.5)
        assert any("Redis is away" in each.output() for each in drivers)
        last.wait_until_ready(30)
        assert sample(last, "clickstream_statistics_malformed_total") >= len(MALFORMED)
        last.stop()
    everything()
