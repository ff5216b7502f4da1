"""The whole processor against a brute-force count, under schedules that hypothesis makes up.

A schedule appends records (out of order, late, ahead of their time, malformed), lets replicas fetch, process and
commit, holds transactions half-way, loses their answers, kills replicas, hands partitions over, leaves zombies, moves
the brokers' clock and those of the replicas' machines, and adds partitions. At its end every worker may finish, and the
promises of docs/processor.md are checked.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise, product
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from streams_simulation import Kafka, Outcome, Worker, emitted_results, simulated_settings, stable_offsets

from clickstream_core.receipts import PartitionReceipt, decode_receipt
from clickstream_core.window_metrics import WindowMetrics
from clickstream_kafka import offsets
from clickstream_streams import merge_stage, partials
from clickstream_streams import partition as partition_module
from clickstream_streams.commits import EventsCommit, decode_commit
from clickstream_streams.merging import Merge

pytestmark = pytest.mark.usefixtures("each_counting")

MOST_PARTITIONS = 4
REASONS = ("not_json", "not_object", "missing_field", "wrong_type", "bad_timestamp")


@pytest.fixture(autouse=True, scope="module")
def on_lists() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partials, "LARGEST_PART_BYTES", 150)
        patch.setattr(merge_stage, "announce_window", lambda metrics: None)
        patch.setattr(merge_stage, "emitted_results", emitted_results)
        patch.setattr(offsets, "stable_offsets", stable_offsets)
        patch.setattr(merge_stage, "Merge", partial(Merge, most_bytes=1_500))
        yield


@dataclass(frozen=True)
class Sent:
    """What the test knows of a record: its time and arrival in milliseconds, and why it is no event, if so."""

    time: int | None
    arrived: int
    event: dict[str, Any]
    malformed: str | None


BEHIND = (0, 1000, 2000, 3000, 5000, 8000, 9999, 10_000, 12_000, 15_000, 25_000, 40_000, -1000, -4000, -4001, -9000)
SHAPES = tuple(product(BEHIND, (0, 3000), (None,) * 10 + REASONS))
"""Milliseconds by which an event's time and its arrival lie before now, and what is wrong with it."""

Batch = list[tuple[int, tuple[int, int, str | None]]]
"""Partitions and shapes."""


def timestamp(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def value_of(event: dict[str, Any], malformed: str | None) -> bytes:
    match malformed:
        case "not_json":
            return json.dumps(event).encode()[:-1]
        case "not_object":
            return json.dumps([event]).encode()
        case "missing_field":
            return json.dumps({name: value for name, value in event.items() if name != "user_id"}).encode()
        case "wrong_type":
            return json.dumps({**event, "duration_ms": "long"}).encode()
        case "bad_timestamp":
            return json.dumps({**event, "timestamp": event["timestamp"].removesuffix("Z")}).encode()
    return json.dumps(event).encode()


class Processor(RuleBasedStateMachine):
    """A topic, two replicas and a schedule. `only_records` leaves out all that makes the clock decide anything."""

    only_records = False
    settings = simulated_settings(allowed_lateness="15s", revision_interval="4s")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sent: dict[tuple[int, int], Sent] = {}
        self.workers: dict[tuple[int, int], Worker] = {}
        self.owner: dict[int, int] = {}
        self.checked = 0
        self.watermarks: dict[int, int] = {}
        self.over: dict[int, int] = {}
        self.latest = 0
        self.furthest = 0

    @initialize(partitions=st.integers(1, MOST_PARTITIONS - 1), taken=st.booleans())
    def begin(self, partitions: int, taken: bool) -> None:
        self.kafka = Kafka(self.settings, partitions)
        self.partitions = partitions
        if taken:
            self.run(self.let_all_take_part())

    def place(self, place: int) -> int:
        """Return a partition of the events topic, or -1 for the partials topic's."""
        return place if place < 0 else place % len(self.kafka.events)

    def worker(self, place: int, zombie: bool = False) -> Worker | None:
        place = self.place(place)
        owner = self.owner.get(place, 0)
        return self.workers.get((place, 1 - owner if zombie else owner))

    # -- the schedule -------------------------------------------------------------------------------------------------

    places = st.integers(-1, MOST_PARTITIONS - 1)
    some: st.SearchStrategy[set[int]] = st.one_of(st.just(set()), st.sets(st.integers(-1, MOST_PARTITIONS - 1)))
    sometimes = st.integers(0, 5).map(lambda number: number == 5)
    batches = st.lists(st.tuples(st.integers(0, MOST_PARTITIONS - 1), st.sampled_from(SHAPES)), min_size=1)

    @rule(batch=batches)
    def append(self, batch: Batch) -> None:
        for place, (behind, delay, malformed) in batch:
            partition, number = self.place(place), len(self.sent)
            time, arrived = self.kafka.now - behind, self.kafka.now - delay
            event = {
                "timestamp": timestamp(time),
                "user_id": f"user-{number % 13}",
                "session_id": f"session-{number % 5}",
                "event_type": "click" if number % 2 else "page_view",
                "page_url": f"/{number % 7}",
                "referrer": f"site-{number % 4}",
                "device_type": "mobile",
                "duration_ms": number * 100,
            }
            offset = self.kafka.events[partition].append(value_of(event, malformed), b"key", arrived)
            usable = time if malformed in (None, "missing_field", "wrong_type") else None
            self.sent[partition, offset] = Sent(usable, arrived, event, malformed)
            if number % 11 == 10:
                self.kafka.events[partition].mark()
        self.latest = max(self.latest, self.kafka.now + 20_000)

    @precondition(lambda self: not self.only_records)
    @rule(batch=batches, ahead=st.sampled_from([4001, 60_000]))
    def append_by_a_clock_that_is_ahead(self, batch: Batch, ahead: int) -> None:
        self.kafka.now += ahead
        self.append(batch)
        self.kafka.now -= ahead

    @rule(place=places, owner=st.integers(0, 1))
    def take(self, place: int, owner: int) -> None:
        self.run(self.taken(self.place(place), owner))

    async def taken(self, place: int, owner: int) -> None:
        topics = self.settings.topics
        partition = (
            TopicPartition(topics.partials_topic, 0) if place < 0 else TopicPartition(topics.events_topic, place)
        )
        worker = self.workers.get((place, owner))
        if worker is None or not worker.idle:
            await self.killed(place, owner)
            worker = self.workers[place, owner] = Worker(self.kafka, self.settings, partition, owner)
        self.owner[place] = owner
        await worker.take()

    async def killed(self, place: int, owner: int) -> None:
        worker = self.workers.pop((place, owner), None)
        if worker is not None:
            await worker.die()

    @rule(place=places, zombie=sometimes)
    def die(self, place: int, zombie: bool) -> None:
        owner = self.owner.get(self.place(place), 0)
        self.run(self.killed(self.place(place), 1 - owner if zombie else owner))

    @rule(place=places, most=st.integers(1, 12), zombie=sometimes, silent=sometimes)
    def turn(self, place: int, most: int, zombie: bool, silent: bool) -> None:
        worker = self.worker(place, zombie)
        if worker is not None:
            self.run(worker.turn(most, answers=not silent))

    @rule(place=places, zombie=sometimes, hold=st.booleans())
    def commit(self, place: int, zombie: bool, hold: bool) -> None:
        worker = self.worker(place, zombie)
        if worker is not None:
            self.run(worker.commit(hold=hold))

    @rule(place=places, zombie=sometimes, outcome=st.sampled_from(Outcome))
    def finish(self, place: int, zombie: bool, outcome: Outcome) -> None:
        worker = self.worker(place, zombie)
        if worker is not None:
            self.run(worker.finish(outcome))

    @rule(milliseconds=st.sampled_from([0, 500, 2000]), absent=some, held=some)
    def go_on(self, milliseconds: int, absent: set[int], held: set[int]) -> None:
        self.run(self.gone_on(1, milliseconds, absent, held))

    async def gone_on(
        self, times: int, milliseconds: int, absent: Collection[int] = (), held: Collection[int] = ()
    ) -> None:
        """Let all but the `absent` fetch, process and commit; transactions of the `held` begin first and end last."""
        present = [place for place in (*range(len(self.kafka.events)), -1) if place not in absent]
        for _ in range(times):
            self.kafka.wait(milliseconds)
            workers = [(place in held, worker) for place in present if (worker := self.worker(place))]
            for hold, worker in sorted(workers, key=lambda each: not each[0]):
                await worker.turn()
                await worker.commit(hold=hold)
            for _, worker in workers:
                await worker.finish(Outcome.COMMITTED)
                await worker.settle()

    @rule(milliseconds=st.sampled_from([100, 2000, 2001, 10_000, 60_000]))
    def wait(self, milliseconds: int) -> None:
        self.kafka.wait(milliseconds)

    @precondition(lambda self: not self.only_records)
    @rule(milliseconds=st.sampled_from([-60_000, -1000, 1000, 60_000]))
    def set_the_brokers_clock(self, milliseconds: int) -> None:
        self.kafka.now += milliseconds

    @rule(owner=st.integers(0, 1), ahead=st.sampled_from([-3_600_000, -1000, 0, 5000, 3_600_000]))
    def set_the_clock_of_a_machine(self, owner: int, ahead: int) -> None:
        self.kafka.ahead[owner] = ahead

    @precondition(lambda self: not self.only_records and len(self.kafka.events) < MOST_PARTITIONS)
    @rule()
    def add_a_partition(self) -> None:
        self.kafka.add_partition()

    @precondition(lambda self: not self.only_records)
    @rule(lateness=st.sampled_from([0, 1000, 5000, 30_000]), disorder=st.sampled_from([0, 2000, 6000]))
    def change_what_later_starts_are_set_to(self, lateness: int, disorder: int) -> None:
        self.settings = replace(self.settings, allowed_lateness=lateness, out_of_orderness=disorder)

    @rule(offset=st.sampled_from([None, 0, -1]))
    def reset_the_merge(self, offset: int | None) -> None:
        """Delete the merge's commit, or move it to the log's beginning or nowhere, while no replica merges."""
        for owner in (0, 1):
            self.run(self.killed(-1, owner))
        place = self.settings.merge_group_id, TopicPartition(self.settings.topics.partials_topic, 0)
        commit = self.kafka.commits.pop(place, None)
        if commit is not None and offset is not None:
            self.kafka.commits[place] = OffsetAndMetadata(commit.offset if offset < 0 else offset, "")

    @rule(batch=batches, offset=st.sampled_from([None, 0, -1]))
    def lose_the_merge_for_long(self, batch: Batch, offset: int | None) -> None:
        """After a batch no replica merges while the others go on until windows are over; then the commit is lost."""
        self.append(batch)
        self.run(self.gone_on(10, 2000))
        self.append(batch)
        self.run(self.gone_on(15, 2000, absent={-1}))
        self.reset_the_merge(offset)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(self.with_the_others(work))

    async def with_the_others(self, work: Coroutine[Any, Any, None]) -> None:
        await work
        for worker in list(self.workers.values()):
            await worker.settle()

    # -- the promises -------------------------------------------------------------------------------------------------

    @invariant()
    def what_is_committed_never_falls(self) -> None:
        for partition in range(len(self.kafka.events)):
            commit = self.committed(partition)
            if commit is not None:
                assert commit.watermark >= self.watermarks.get(partition, commit.watermark)
                assert commit.final_before >= self.over.get(partition, commit.final_before)
                self.watermarks[partition], self.over[partition] = commit.watermark, commit.final_before

    @invariant()
    def no_watermark_rises_above_the_brokers_clock_and_the_allowed_skew(self) -> None:
        """Or above where that would be now, had it not been set back."""
        self.furthest = max(self.furthest, self.kafka.now - self.kafka.monotonic)
        for watermark in self.watermarks.values():
            assert watermark <= self.furthest + self.kafka.monotonic + self.settings.max_clock_skew

    @invariant()
    def every_new_result_is_of_a_window_that_all_partitions_have_passed(self) -> None:
        for metrics in self.kafka.metrics[self.checked :]:
            for partition in range(self.partitions):
                commit = self.committed(partition)
                assert commit is not None, "a partition that never reported holds every window open"
                assert commit.watermark >= milliseconds_of(metrics.window_end)
        self.checked = len(self.kafka.metrics)

    def committed(self, partition: int) -> EventsCommit | None:
        place = TopicPartition(self.settings.topics.events_topic, partition)
        found = self.kafka.commits.get((self.settings.group_id, place))
        return None if found is None else decode_commit(found.metadata, EventsCommit)

    def teardown(self) -> None:
        try:
            if self.sent:
                self.run(self.finish_all())
                self.check()
        finally:
            for place, owner in list(self.workers):
                self.run(self.killed(place, owner))
            self.loop.close()

    async def finish_all(self) -> None:
        if self.only_records:
            await self.let_all_take_part()
            await self.gone_on(10, 0)
            assert not self.unread(), "a record has not been processed"
            self.settings = replace(self.settings, idle_timeout=3000)
        self.kafka.now = max(self.kafka.now, self.latest)
        await self.let_all_take_part()
        await self.gone_on(20 + self.settings.allowed_lateness // 2000, 2000)

    async def let_all_take_part(self) -> None:
        for place, owner in list(self.workers):
            await self.killed(place, owner)
        for place in (-1, *range(len(self.kafka.events))):
            await self.taken(place, 0)
        await self.gone_on(4, 0)

    def unread(self) -> bool:
        return any(self.position(partition) < log.end for partition, log in enumerate(self.kafka.events))

    def position(self, partition: int) -> int:
        place = TopicPartition(self.settings.topics.events_topic, partition)
        return int(self.kafka.commits[self.settings.group_id, place].offset)

    def check(self) -> None:
        dead = {(letter.partition, letter.offset): letter.reason for letter in self.kafka.dead_letters}
        assert len(dead) == len(self.kafka.dead_letters), "a dead letter was written twice"
        for place, sent in self.sent.items():
            if sent.malformed:
                assert dead.get(place) == sent.malformed
            elif sent.time is not None and sent.time - sent.arrived > self.settings.max_clock_skew:
                assert dead.get(place) == "future"
            else:
                assert dead.get(place) in (None, "late")
        if self.only_records:
            assert {place for place, reason in dead.items() if reason == "late"} == set(self.late())
        found: dict[str, list[WindowMetrics]] = defaultdict(list)
        for metrics in self.kafka.metrics:
            found[metrics.window_start].append(metrics)
        for results in found.values():
            assert [metrics.revision for metrics in results] == list(range(len(results)))
        self.check_intervals()
        self.check_receipts(dead)
        counted = [sent for place, sent in self.sent.items() if place not in dead]
        last = {start: replace_revision(results[-1]) for start, results in found.items()}
        assert last == brute_force(counted, self.settings.window_size)
        assert all(self.position(partition) == log.end for partition, log in enumerate(self.kafka.events))
        assert {worker.retained_windows for worker in self.workers.values()} == {0}

    def check_receipts(self, dead: dict[tuple[int, int], str]) -> None:
        """The receipt of a window's last result names the records that it was counted from."""
        last = {m.window_start: receipt for m, receipt in zip(self.kafka.metrics, self.kafka.receipts, strict=True)}
        found = {start: decode_receipt(receipt or b"") for start, receipt in last.items()}
        counted: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for (partition, offset), sent in sorted(self.sent.items()):
            if (partition, offset) not in dead and sent.time is not None:
                size = self.settings.window_size
                counted[instant(sent.time // size * size)][partition].append(offset)
        assert found == {
            start: {
                partition: PartitionReceipt(offsets[0], offsets[-1], len(offsets), refused(dead, partition, offsets))
                for partition, offsets in shares.items()
            }
            for start, shares in counted.items()
        }

    def check_intervals(self) -> None:
        """Revisions of a window are apart; only the last one, when the window is over, need not wait."""
        times: dict[str, list[int]] = defaultdict(list)
        for metrics, emitted_at in zip(self.kafka.metrics, self.kafka.emitted_at, strict=True):
            times[metrics.window_start].append(emitted_at)
        for emitted in times.values():
            for earlier, later in pairwise(emitted[:-1]):
                assert later - earlier >= self.settings.revision_interval

    def late(self) -> Iterator[tuple[int, int]]:
        """Yield the places of the events that come after their own partition's watermark has passed them."""
        size, disorder = self.settings.window_size, self.settings.out_of_orderness
        watermarks: dict[int, int] = {}
        for (partition, offset), sent in sorted(self.sent.items()):
            if sent.time is None:
                continue
            seen = min(sent.time, sent.arrived) - disorder
            watermark = watermarks[partition] = max(seen, watermarks.get(partition, seen))
            over = sent.time // size * size + size + self.settings.allowed_lateness <= watermark
            if over and not sent.malformed and sent.time - sent.arrived <= self.settings.max_clock_skew:
                yield partition, offset


class ProcessorByRecords(Processor):
    """Without idleness, steps of the brokers' clock, added partitions and other settings: no clock decides anything."""

    only_records = True
    settings = simulated_settings(idle_timeout="1d", revision_interval="4s")


def refused(dead: dict[tuple[int, int], str], partition: int, counted: list[int]) -> dict[str, int]:
    places = ((partition, offset) for offset in range(counted[0], counted[-1]))
    return dict(Counter(dead[place] for place in places if place in dead))


def milliseconds_of(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp()) * 1000


def replace_revision(metrics: WindowMetrics) -> dict[str, Any]:
    assert not metrics.approximate
    record: dict[str, Any] = msgspec.to_builtins(metrics)
    return {name: value for name, value in record.items() if name not in ("revision", "approximate")}


def brute_force(counted: list[Sent], size: int) -> dict[str, dict[str, Any]]:
    windows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for sent in counted:
        assert sent.time is not None
        windows[sent.time // size * size].append(sent.event)
    return {instant(start): numbers(start, size, events) for start, events in windows.items()}


def instant(time: int) -> str:
    return timestamp(time).replace(".000", "")


def numbers(start: int, size: int, events: list[dict[str, Any]]) -> dict[str, Any]:
    def top(name: str, most: int | None = None) -> dict[str, int]:
        counts = Counter(event[name] for event in events)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])

    return {
        "window_start": instant(start),
        "window_end": instant(start + size),
        "total_events": len(events),
        "unique_users": len({event["user_id"] for event in events}),
        "unique_sessions": len({event["session_id"] for event in events}),
        "event_types": top("event_type"),
        "devices": top("device_type"),
        "top_referrers": top("referrer", 3),
        "top_pages": top("page_url", 5),
        "avg_duration_ms": sum(event["duration_ms"] for event in events) // len(events),
    }


def check(machine: type[RuleBasedStateMachine], examples: int) -> None:
    run_state_machine_as_test(machine, settings=hypothesis_settings(max_examples=examples, stateful_step_count=50))


def test_results_are_those_of_a_brute_force_count_whatever_happens() -> None:
    check(Processor, 100)


def test_results_are_those_of_a_brute_force_count_though_open_windows_are_written_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(partition_module, "MOST_OPEN_WINDOWS", 1)
    check(Processor, 40)


def test_what_is_late_hangs_on_the_records_alone_as_long_as_no_clock_decides() -> None:
    check(ProcessorByRecords, 100)
