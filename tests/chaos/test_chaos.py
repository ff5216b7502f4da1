"""The processor's promises (docs/processor.md) under fire: whatever happens, the numbers are those of an offline count.

Two groups count the same topics beside each other, in windows of different sizes: the first natively where the wheel is
installed, the second in Python.

`make test` runs a short round, `make chaos` a long one (CHAOS_FAULTS, CHAOS_SEED and CHAOS_RATE change it). The seed is
printed: with it the same faults come in the same order, though not at the very same instructions.
"""

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient

from chaos.faults import Faults, Replicas
from chaos.load import Load
from clickstream_local.broker import Broker
from kit.offline import assert_equal_to_offline_count, read_dead_letters
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import assert_nothing_was_refused_in_vain, total_events
from kit.topics import PipelineTopics, create_topics, lag

PARTITIONS = 6
WINDOW_SECONDS = 5
SECOND_WINDOW_SECONDS = 15
SETTINGS = {
    "OUT_OF_ORDERNESS": "5s",
    "ALLOWED_LATENESS": "1m",  # longer than any fault holds events back: only what was sent late is late
    "IDLE_TIMEOUT": "5s",
    "EXACT_LIMIT": "100000",
}
SHORT = ("kill", "rescale", "kill the broker", "kill all", "zombie")


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**9))


def test_no_fault_changes_a_number(own_broker: Broker, apps: Apps, seed: int) -> None:
    long = int(os.environ.get("CHAOS_FAULTS", "0"))
    rate = int(os.environ.get("CHAOS_RATE", "2000"))
    draw = random.Random(seed)
    topics = create_topics(own_broker.bootstrap_servers, PARTITIONS)
    second_topics = topics.of_group(f"{topics.group_id}-2")
    first = Replicas(apps, topics, {"WINDOW_SIZE": f"{WINDOW_SECONDS}s", **SETTINGS}, (1, 3, 6, 2))
    second = Replicas(
        apps, second_topics, {"WINDOW_SIZE": f"{SECOND_WINDOW_SECONDS}s", "COUNTING": "python", **SETTINGS}, (1, 3, 2)
    )
    groups = (first, second)
    faults = Faults(groups, own_broker, draw)
    every = draw.sample(sorted(faults.kinds), len(faults.kinds))
    kinds = [*every, *[None] * long][:long] if long else draw.sample(SHORT, len(SHORT))
    _say(f"CHAOS_SEED={seed} CHAOS_FAULTS={long} CHAOS_RATE={rate}")

    with Load(topics, PARTITIONS, rate, seed) as load:
        for group in groups:
            group.scale(2)
        for app in (app for group in groups for app in group.running):
            app.wait_until_ready()
        started = time.monotonic()
        for number, kind in enumerate(kinds, start=1):
            time.sleep(draw.uniform(0.5, 4))  # the moment of the fault is part of the test
            with explained_by(own_broker):
                injected = faults.inject(kind)
            for group in groups:
                group.assert_none_ended()
            _say(f"{time.monotonic() - started:7.1f} s  fault {number}/{len(kinds)}  {injected}  ({load.sent} events)")
        for group in groups:
            group.scale(2)

    for group, window_seconds in ((first, WINDOW_SECONDS), (second, SECOND_WINDOW_SECONDS)):
        assert_exact(group.topics, window_seconds, load)
        group.scale(0)


@contextmanager
def explained_by(broker: Broker) -> Iterator[None]:
    """Print what the broker knows, if what follows fails: its folder is gone afterwards."""
    try:
        yield
    except AssertionError:
        _say(f"the end of the broker's log:\n{broker.child.last_lines(60)}")
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            _say(f"its transactions: {admin.list_transactions()}")
        raise


def assert_exact(topics: PipelineTopics, window_seconds: int, load: Load) -> None:
    """Wait until the group has counted everything; its results must be those of the offline count."""
    eventually(
        lambda: set(lag(topics.bootstrap_servers, topics.group_id, topics.events).values()) == {0},
        deadline_seconds=120,
        every=1,
    )
    results = eventually(lambda: assert_equal_to_offline_count(topics, window_seconds), deadline_seconds=120, every=2)
    letters = read_dead_letters(topics)
    assert_nothing_was_refused_in_vain(topics, load)
    revisions = sum(result.revision for result in results.values())
    counted = sum(map(total_events, results.values()))
    _say(f"{topics.group_id}, windows of {window_seconds} s: {len(results)} windows with {revisions} revisions and")
    _say(f"{len(letters)} dead letters of {load.sent} events: no difference, no duplicate")
    assert revisions, "no result was revised: the load has no stragglers"
    assert counted + len(letters) >= load.sent


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
