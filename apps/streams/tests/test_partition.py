import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from counted_by import make_counting
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_core.timestamps import LAST_MS, format_milliseconds, parse_timestamp
from clickstream_streams import partition as partition_module
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counts import PartialCounts
from clickstream_streams.partials import encode_record, split
from clickstream_streams.partition import (
    BACKLOG_RECORDS,
    MOST_OPEN_WINDOWS,
    MOST_WAITING_BYTES,
    MOST_WINDOWS,
    Changes,
    Partition,
)
from clickstream_streams.refusals import refused_between
from clickstream_streams.sketches import IdsSnapshot
from clickstream_streams.spans import Span
from clickstream_streams.watermarks import PartitionWatermark
from clickstream_streams.windows import NEVER, CountingRules

pytestmark = pytest.mark.usefixtures("each_counting")

BASE = parse_timestamp("2024-10-26T10:30:00Z")
SIZE, DISORDER, LATENESS, SKEW = 10_000, 2_000, 5_000, 1_000
RULES = CountingRules(SIZE, "event", SKEW)
BY_ARRIVAL = CountingRules(SIZE, "arrival", SKEW)
FIRST = 100
NOW = BASE + 100_000
"""The clock, where nothing hangs on it: no record of these tests is ahead of it but on purpose."""


@dataclass
class StoredRecord:
    """A record of the events topic."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def fields(time: int, **changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "timestamp": format_milliseconds(BASE + time),
        "user_id": "user",
        "session_id": "session",
        "event_type": "click",
        "page_url": "/",
        "referrer": "direct",
        "device_type": "mobile",
        "duration_ms": 5,
    }
    return event | changes


def record(offset: int, time: int, arrived: int | None = None, **changes: Any) -> StoredRecord:
    """An event at `time` that arrived then or at `arrived`, milliseconds after BASE."""
    return raw(offset, json.dumps(fields(time, **changes)).encode(), time if arrived is None else arrived)


def raw(offset: int, value: bytes | None, arrived: int) -> StoredRecord:
    return StoredRecord(offset, BASE + arrived, b"key", value)


def partition(commit: EventsCommit | None = None, offset: int = FIRST, lateness: int = LATENESS) -> Partition:
    commit = commit or EventsCommit(rules=RULES, replay_from=offset, joined=True)
    watermark = PartitionWatermark(out_of_orderness=DISORDER, idle_timeout=10_000, monotonic=0, value=commit.watermark)
    return Partition(commit, offset, watermark, make_counting(commit.rules, 1000), allowed_lateness=lateness)


def commit(state: Partition) -> Changes:
    changes = state.changes()
    state.commit(changes)
    return changes


def refused(state: Partition) -> list[tuple[int, str]]:
    return [(letter.record.offset, letter.reason) for letter in state.changes().dead_letters]


def written_bytes(changes: Changes) -> int:
    parts = (part for window, partial in changes.partials.items() for part in split(RULES, 0, window, partial))
    return sum(len(encode_record(part)) for part in parts)


def totals(changes: Changes) -> dict[int, int]:
    """Events by window, in milliseconds after BASE."""
    return {window - BASE: partial.counts.total_events for window, partial in changes.partials.items()}


# -- counting and partials --------------------------------------------------------------------------------------------


def test_events_are_counted_in_their_windows() -> None:
    state = partition()
    state.process(
        [record(100, 0), record(101, 9_999), record(102, 10_000), record(103, 40_000)], clock=NOW, monotonic=0
    )
    assert totals(state.changes()) == {0: 2, 10_000: 1}
    assert (state.counted, state.offset) == (4, 104)


def test_a_partial_is_written_when_the_watermark_has_passed_its_window() -> None:
    state = partition()
    state.process([record(100, 0), record(101, 11_999)], clock=NOW, monotonic=0)
    assert commit(state).partials == {}
    state.process([record(102, 12_000)], clock=NOW, monotonic=0)
    assert totals(commit(state)) == {0: 1}


def test_what_is_counted_later_is_written_as_an_addition_that_holds_nothing_else() -> None:
    state = partition()
    state.process([record(100, 0), record(101, 12_000)], clock=NOW, monotonic=0)
    assert [each.whole for each in commit(state).partials.values()] == [True]
    state.process([record(102, 12_001)], clock=NOW, monotonic=0)
    assert commit(state).partials == {}
    state.process([record(103, 5_000)], clock=NOW, monotonic=0)
    state.process([record(104, 5_000)], clock=NOW, monotonic=0)
    changes = commit(state)
    assert totals(changes) == {0: 2}
    assert [each.whole for each in changes.partials.values()] == [False]
    assert commit(state).partials == {}


def test_additions_take_bytes_for_their_events_only() -> None:
    state = partition()
    users = [record(100 + number, 0, user_id=f"user-{number}") for number in range(900)]
    state.process([*users, record(20_000, 12_000)], clock=NOW, monotonic=0)
    whole = written_bytes(commit(state))
    assert whole > 900 * 8
    for offset in range(20_001, 20_061):
        state.process([record(offset, 5_000, user_id=f"late-{offset}")], clock=NOW, monotonic=0)
        assert written_bytes(commit(state)) < 250


def test_changes_can_be_taken_twice() -> None:
    """A transaction may fail; the next one has to write the same."""
    state = partition()
    state.process([record(100, 0), raw(101, b"{", 0), record(102, 12_000)], clock=NOW, monotonic=0)
    assert state.changes() == state.changes()


# -- reasons ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "not_json"),
        (None, "not_json"),
        (b"\xff", "not_json"),
        (b"[]", "not_object"),
        (b"{}", "missing_field"),
        (json.dumps(fields(0, user_id=1)).encode(), "wrong_type"),
        (json.dumps(fields(0, duration_ms=-1)).encode(), "wrong_type"),
        (json.dumps(fields(0, timestamp="2024-10-26T10:30:00.000")).encode(), "bad_timestamp"),
        (json.dumps(fields(0, timestamp="yesterday")).encode(), "bad_timestamp"),
    ],
)
def test_a_record_that_is_no_event_is_refused_with_the_reason(value: bytes | None, reason: str) -> None:
    state = partition()
    state.process([record(100, 0), raw(101, value, 0), record(102, 0)], clock=NOW, monotonic=0)
    (letter,) = state.changes().dead_letters
    assert (letter.record.offset, letter.record.value, letter.reason) == (101, value, reason)
    assert letter.error
    assert state.counted == 2


@pytest.mark.parametrize(("watermark", "reason"), [(14_999, None), (15_000, "late")])
def test_an_event_is_late_from_the_millisecond_on_in_which_its_window_is_over(
    watermark: int, reason: str | None
) -> None:
    """The window of an event at 9999 ends at 10000; it is over when the watermark is at 15000."""
    expected = [] if reason is None else [(101, reason)]
    for batches in ([[100, 101]], [[100], [101]]):
        state = partition()
        known = {100: record(100, watermark + DISORDER), 101: record(101, 9_999)}
        for batch in batches:
            state.process([known[offset] for offset in batch], clock=NOW, monotonic=0)
        assert refused(state) == expected


@pytest.mark.parametrize(("arrived", "reason"), [(0, None), (-1, "future")])
def test_an_event_is_future_when_it_is_ahead_of_its_record_by_more_than_allowed(
    arrived: int, reason: str | None
) -> None:
    state = partition()
    state.process([record(100, SKEW, arrived)], clock=NOW, monotonic=0)
    assert refused(state) == ([] if reason is None else [(100, reason)])


def test_the_error_says_what_was_found() -> None:
    state = partition()
    state.process([record(100, 60_000), record(101, 0), record(102, 70_000, 60_000)], clock=NOW, monotonic=0)
    late, future = state.changes().dead_letters
    assert "ended at 2024-10-26T10:30:10Z" in late.error
    assert "over up to 2024-10-26T10:30:53.000Z" in late.error
    assert "10000 ms after its record's 2024-10-26T10:31:00.000Z, allowed are 1000" in future.error


@pytest.mark.parametrize(
    ("timestamp", "meaning"),
    [
        (-1, "-1, so none was set"),
        (0, "0 ms, which is 1970-01-01T00:00:00.000Z, before there was Kafka"),
        (1_729_938_600, "1729938600 ms, which is 1970-01-21T00:32:18.600Z, before there was Kafka"),
        (-(10**17), "-100000000000000000 ms, before the year 1"),
    ],
)
def test_a_record_timestamp_that_is_nonsense_is_called_so(timestamp: int, meaning: str) -> None:
    state = partition()
    state.process([record(100, 0, timestamp - BASE)], clock=NOW, monotonic=0)
    (letter,) = state.changes().dead_letters
    assert letter.reason == "future"
    assert letter.error.startswith(f"the record's own timestamp is nonsense: {meaning}.")


def test_events_of_windows_whose_counts_are_gone_are_expired() -> None:
    lost = EventsCommit(rules=RULES, replay_from=FIRST, expired_to=BASE + 20_000, joined=True)
    state = partition(lost)
    state.process([record(100, 0), record(101, 19_999), record(102, 20_000)], clock=NOW, monotonic=0)
    assert refused(state) == [(100, "expired"), (101, "expired")]
    assert state.counted == 1


def test_a_malformed_record_is_refused_for_what_it_is_even_when_it_is_late_or_ahead() -> None:
    state = partition()
    state.process([record(100, 60_000)], clock=NOW, monotonic=0)
    state.process([raw(101, json.dumps(fields(0, user_id=1)).encode(), 60_000)], clock=NOW, monotonic=0)
    state.process([raw(102, json.dumps(fields(90_000, user_id=1)).encode(), 60_000)], clock=NOW, monotonic=0)
    assert refused(state) == [(101, "wrong_type"), (102, "wrong_type")]


def test_an_event_ahead_of_its_record_is_future_even_when_its_window_is_over() -> None:
    state = partition()
    state.process([record(100, 60_000)], clock=NOW, monotonic=0)
    state.process([record(101, 20_000, 0)], clock=NOW, monotonic=0)
    assert refused(state) == [(101, "future")]


def test_a_window_that_is_both_gone_and_over_is_expired() -> None:
    state = partition(EventsCommit(rules=RULES, replay_from=FIRST, expired_to=BASE + 10_000, joined=True))
    state.process([record(100, 60_000), record(101, 9_999), record(102, 10_000)], clock=NOW, monotonic=0)
    assert refused(state) == [(101, "expired"), (102, "late")]


# -- the watermark ----------------------------------------------------------------------------------------------------


def test_the_record_timestamp_caps_what_an_event_does_to_the_watermark() -> None:
    state = partition()
    state.process([record(100, 50_000, 10_000), record(101, 8_000, 90_000)], clock=NOW, monotonic=0)
    assert state.watermark.value == BASE + 10_000 - DISORDER


AHEAD = 40 * 60_000


@pytest.mark.parametrize("lateness", [0, LATENESS])
@pytest.mark.parametrize("among", ["events", "what is refused"])
@pytest.mark.parametrize("rules", [RULES, BY_ARRIVAL], ids=["event", "arrival"])
def test_a_machine_whose_clock_runs_ahead_makes_no_event_of_others_late(
    rules: CountingRules, among: str, lateness: int
) -> None:
    """Its own events are counted in the windows that they name."""
    state = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True), lateness=lateness)
    state.process([record(100, AHEAD)], clock=BASE, monotonic=0)
    for number in range(100):
        right = record(101 + 2 * number, 1000 * number)
        other = record(102 + 2 * number, 1000 * number + AHEAD) if among == "events" else raw(102, b"{", AHEAD)
        state.process([right, other], clock=BASE + 1000 * number, monotonic=1000 * number)
        assert state.watermark.value == BASE + 1000 * number - DISORDER
    assert {reason for _, reason in refused(state)} <= {"not_json"}
    assert state.counted == (201 if among == "events" else 101)


def test_a_watermark_rises_to_the_allowed_skew_above_the_clock_and_no_further() -> None:
    for ahead, watermark in ((SKEW, BASE + SKEW - DISORDER), (SKEW + 1, NEVER)):
        state = partition()
        state.process([record(100, ahead)], clock=BASE, monotonic=0)
        assert state.watermark.value == watermark
        assert state.counted == 1


@pytest.mark.parametrize("changes", [{"user_id": 1}, {"duration_ms": "long"}])
def test_a_malformed_record_with_a_usable_timestamp_moves_the_watermark(changes: dict[str, Any]) -> None:
    for size in (1, 2):
        records: Sequence[StoredRecord] = [record(100, 60_000, **changes), record(101, 0)]
        state = partition()
        for first in range(0, 2, size):
            state.process(records[first : first + size], clock=NOW, monotonic=0)
        assert state.watermark.value == BASE + 60_000 - DISORDER
        assert refused(state) == [(100, "wrong_type"), (101, "late")]


def test_a_record_without_a_usable_timestamp_does_not_move_the_watermark() -> None:
    state = partition()
    bad = json.dumps(fields(0, timestamp="2024-10-26T10:31:00.000")).encode()
    state.process([raw(100, b"{", 60_000), raw(101, None, 60_000), raw(102, bad, 60_000)], clock=NOW, monotonic=0)
    assert state.watermark.value == NEVER


def test_by_arrival_the_records_own_timestamps_count_whatever_the_events_say() -> None:
    state = partition(EventsCommit(rules=BY_ARRIVAL, replay_from=FIRST, joined=True))
    state.process(
        [record(100, 90_000, 1_000), record(101, -90_000, 2_000), raw(102, b"{", 12_000)], clock=NOW, monotonic=0
    )
    assert refused(state) == [(102, "not_json")]
    assert totals(state.changes()) == {0: 2}
    assert state.watermark.value == BASE + 10_000


@pytest.mark.parametrize("rules", [RULES, BY_ARRIVAL], ids=["event", "arrival"])
@given(st.integers(-(2**63), 2**63 - 1))
@example(-(10**17))
@example(LAST_MS - 1)
@example(LAST_MS)
@example(2**63 - 1)
def test_no_record_timestamp_stops_the_partition_or_takes_its_watermark_out_of_the_calendar(
    rules: CountingRules, timestamp: int
) -> None:
    state = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True))
    state.process(
        [raw(100, json.dumps(fields(0)).encode(), timestamp - BASE), record(101, 0)],
        clock=NOW,
        monotonic=0,
    )
    state.process([raw(102, b"{", timestamp - BASE), record(103, 0)], clock=NOW, monotonic=0)
    assert state.watermark.value <= LAST_MS
    if not BASE <= timestamp <= LAST_MS:
        assert dict(refused(state)).keys().isdisjoint({101, 103})


# -- news -------------------------------------------------------------------------------------------------------------


def test_a_record_is_news_and_a_commit_ends_it() -> None:
    state = partition()
    assert not state.has_news()
    state.process([record(100, 0)], clock=NOW, monotonic=0)
    commit(state)
    state.process([record(101, 1)], clock=NOW, monotonic=0)
    assert state.has_news()
    commit(state)
    assert not state.has_news()


def test_a_window_that_the_clock_has_closed_is_urgent_news() -> None:
    state = partition()
    state.process([record(100, 2_000)], clock=NOW, monotonic=0)
    commit(state)
    state.watermark.value = BASE + 9_999
    assert not state.is_urgent()
    state.watermark.value = BASE + 10_000
    assert state.has_news()
    assert state.is_urgent()
    assert totals(commit(state)) == {0: 1}
    assert not state.is_urgent()


def test_a_window_that_the_clock_has_ended_for_good_is_news() -> None:
    state = partition()
    state.watermark.value = BASE + 14_999
    commit(state)
    state.watermark.value = BASE + 15_000
    assert state.has_news()
    assert not state.is_urgent()


def test_dead_letters_that_take_much_memory_are_urgent() -> None:
    state = partition()
    state.process([raw(100, b"x" * (MOST_WAITING_BYTES + 1), 0)], clock=NOW, monotonic=0)
    assert state.is_urgent()
    commit(state)
    assert not state.is_urgent()
    assert state.waiting_bytes == 0


def test_many_dead_letters_are_urgent_however_small_they_are() -> None:
    state = partition()
    state.process([raw(100 + number, None, 0) for number in range(5_000)], clock=NOW, monotonic=0)
    assert state.is_urgent(behind=BACKLOG_RECORDS)


def test_in_a_backlog_results_wait_and_dead_letters_that_take_much_memory_do_not() -> None:
    state = partition()
    state.process([record(100, 2_000), record(101, 30_000)], clock=NOW, monotonic=0)
    assert state.is_urgent(behind=BACKLOG_RECORDS - 1)
    assert not state.is_urgent(behind=BACKLOG_RECORDS)
    state.process([raw(102, b"x" * (MOST_WAITING_BYTES + 1), 0)], clock=NOW, monotonic=0)
    assert state.is_urgent(behind=BACKLOG_RECORDS)


def test_dead_letters_are_written_once() -> None:
    state = partition()
    state.process([raw(100, b"{", 0)], clock=NOW, monotonic=0)
    assert len(commit(state).dead_letters) == 1
    assert commit(state).dead_letters == ()


# -- commits and restoring --------------------------------------------------------------------------------------------


def test_the_commit_replays_from_the_first_record_of_the_oldest_window_that_is_not_written() -> None:
    state = partition()
    state.process([record(100, 5_000)], clock=NOW, monotonic=0)
    state.process([record(101, 15_000), record(102, 6_000)], clock=NOW, monotonic=0)
    state.process([record(103, 25_000)], clock=NOW, monotonic=0)
    assert commit(state).commit.replay_from == 103
    state.process([raw(104, b"{", 0), record(105, 70_000)], clock=NOW, monotonic=0)
    commit(state)
    assert (state.open_windows, state.committed.replay_from) == (1, 105)


def span(state: Partition, window: int) -> Span:
    found = state.changes().partials[BASE + window].counts.span
    assert found is not None
    return found


def refused_in(state: Partition, window: int) -> dict[str, int] | None:
    found = span(state, window)
    return refused_between(found.first, found.before_first, found.before_last)


def test_a_partial_names_its_first_and_last_record_and_what_was_refused_between_them() -> None:
    state = partition()
    state.process([raw(100, b"{", 0), record(101, 1_000), record(102, 11_000)], clock=NOW, monotonic=0)
    state.process([raw(103, b"[]", 0), record(105, 2_000), raw(106, b"{", 0)], clock=NOW, monotonic=0)
    state.process([record(107, 12_500), raw(108, None, 0), record(109, 25_000)], clock=NOW, monotonic=0)
    assert (span(state, 0).first, span(state, 0).last, refused_in(state, 0)) == (101, 105, {"not_object": 1})
    assert (span(state, 10_000).first, span(state, 10_000).last) == (102, 107)
    assert refused_in(state, 10_000) == {"not_json": 1, "not_object": 1}


def test_records_of_several_windows_in_one_batch_have_their_own_first_and_last() -> None:
    state = partition()
    times = [1_000, 11_000, 2_000, 12_000, 25_000]
    state.process([record(100 + number, time) for number, time in enumerate(times)], clock=NOW, monotonic=0)
    assert [(span(state, each).first, span(state, each).last) for each in (0, 10_000)] == [(100, 102), (101, 103)]


def test_what_a_reset_leaves_out_makes_refusals_unknown_where_it_lies_between() -> None:
    """Windows up to BASE keep their results: their records are not counted again, and may have been dead letters."""
    commit = EventsCommit(rules=RULES, replay_from=FIRST, final_before=BASE, dead_lettered_to=105, kept_to=BASE)
    state = partition(commit)
    early = [record(100, -5_000), record(101, 0), raw(102, b"{", 0), record(103, 1_000), record(104, 11_000)]
    state.process(early, clock=NOW, monotonic=0)
    state.process([record(105, -4_000), record(106, 12_000), record(107, 30_000)], clock=NOW, monotonic=0)
    assert refused_in(state, 0) == {"not_json": 1}
    assert refused_in(state, 10_000) == {"late": 1}, "offset 105 was not read before the reset"
    state = partition(replace_commit(commit, dead_lettered_to=106))
    state.process([*early, record(105, -4_000), record(106, 12_000), record(107, 30_000)], clock=NOW, monotonic=0)
    assert refused_in(state, 0) == {"not_json": 1}
    assert refused_in(state, 10_000) is None
    assert state.changes().commit.kept_to == BASE


def replace_commit(commit: EventsCommit, **changes: Any) -> EventsCommit:
    replaced: EventsCommit = msgspec.structs.replace(commit, **changes)
    return replaced


def test_what_was_refused_before_a_reset_is_no_second_dead_letter() -> None:
    state = partition(EventsCommit(rules=RULES, replay_from=FIRST, dead_lettered_to=102))
    state.process([raw(100, b"{", 0), record(101, 0), raw(102, b"{", 0)], clock=NOW, monotonic=0)
    assert refused(state) == [(102, "not_json")]
    assert commit(state).commit.dead_lettered_to == 102


def test_without_open_windows_nothing_is_replayed() -> None:
    state = partition()
    state.process([record(100, 5_000)], clock=NOW, monotonic=0)
    state.watermark.value = BASE + 60_000
    changes = commit(state)
    assert (changes.commit.replay_from, changes.offset) == (101, 101)
    assert state.open_windows == 0


def test_the_commit_says_up_to_where_events_were_seen() -> None:
    state = partition()
    state.process([record(100, 25_000), record(101, 15_000)], clock=NOW, monotonic=0)
    assert commit(state).commit.seen_to == BASE + 30_000


def test_a_shorter_lateness_ends_windows_at_once_and_a_longer_one_opens_none_again() -> None:
    state = partition()
    state.process([record(100, 22_000)], clock=NOW, monotonic=0)
    committed = commit(state).commit
    assert committed.final_before == BASE + 15_000
    assert partition(committed, 101, lateness=0).final_before == BASE + 20_000
    longer = partition(committed, 101, lateness=60_000)
    longer.process([record(101, 5_000)], clock=NOW, monotonic=0)
    assert refused(longer) == [(101, "late")]


valid = st.sampled_from(
    [
        lambda offset, time, arrived: record(offset, time, arrived, page_url="/\u2603"),
        lambda offset, time, arrived: record(offset, time, arrived),
        lambda offset, time, arrived: record(offset, time, arrived, user_id=f"user-{offset}"),
        lambda offset, time, arrived: record(offset, time, arrived, duration_ms=5.0),
        lambda offset, time, arrived: record(offset, time, arrived, title="Great \ud83d"),
        lambda offset, time, arrived: record(
            offset, time, arrived, timestamp=format_milliseconds(BASE + time).replace("T", " ")
        ),
    ]
)
others = st.sampled_from(
    [
        lambda offset, time, arrived: raw(offset, b"{", arrived),
        lambda offset, time, arrived: record(offset, time, arrived, user_id=None),
        lambda offset, time, arrived: record(offset, time, arrived, timestamp="2024-10-26T10:30:07+00:00"),
        lambda offset, time, arrived: record(offset, time, arrived, timestamp=format_milliseconds(BASE)[:-1]),
        lambda offset, time, arrived: record(offset, time, arrived, timestamp="2024-10-26T10:30:75.000Z"),
        lambda offset, time, arrived: record(offset, time, arrived, timestamp="2024-10-26T10:60:00.000Z"),
        lambda offset, time, arrived: record(offset, time, arrived, timestamp="2024-10-26T10:30:0\u0661.000Z"),
        lambda offset, time, arrived: record(offset, time, arrived, page_url="/\u2603" * 3000),
        lambda offset, time, arrived: raw(offset, json.dumps(fields(time)).encode()[:-2] + b"\xff}", arrived),
        lambda offset, time, arrived: raw(offset, None, arrived),
    ]
)
kinds = st.one_of(valid, valid, valid, valid, others)
times = st.one_of(st.integers(-4, 8).map(lambda seconds: seconds * 5_000), st.integers(-20_000, 40_000))
arrivals = st.sampled_from([-SKEW - 1, -SKEW, 0, 0, 0, 1_000, 40_000])
logs = st.lists(st.tuples(kinds, times, arrivals), min_size=1, max_size=25).map(
    lambda log: [make(FIRST + n, time, time + arrived) for n, (make, time, arrived) in enumerate(log)]
)
sizes = st.lists(st.integers(1, 8), min_size=1)
clocks = st.sampled_from([BASE - 5_000, BASE + 15_000, NOW])
rules_of_both_kinds = st.sampled_from([RULES, BY_ARRIVAL])


def batched(log: Sequence[StoredRecord], sizes: Sequence[int]) -> list[Sequence[StoredRecord]]:
    batches, first = [], 0
    for number in range(len(log)):
        if first < len(log):
            batches.append(log[first : first + sizes[number % len(sizes)]])
            first += len(batches[-1])
    return batches


@given(logs, sizes, rules_of_both_kinds, clocks)
def test_the_batches_that_records_come_in_change_nothing(
    log: list[StoredRecord], sizes: list[int], rules: CountingRules, clock: int
) -> None:
    def ended(batches: Sequence[Sequence[StoredRecord]]) -> tuple[Any, ...]:
        state = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True))
        for batch in batches:
            state.process(batch, clock=clock, monotonic=0)
        highest = state.watermark.value
        assert highest <= clock + SKEW - DISORDER
        state.watermark.value = BASE + 1_000_000
        partials = {window: comparable(partial.counts) for window, partial in state.changes().partials.items()}
        return highest, partials, state.changes().dead_letters, state.offset, state.changes().commit.seen_to

    one_by_one = [[each] for each in log]
    assert ended(batched(log, sizes)) == ended(one_by_one) == ended([log])


def comparable(partial: PartialCounts) -> object:
    """Return the partial with its hashes sorted: equal ones may hold them in any order."""
    hashes = (sorted(memoryview(ids.hashes).cast("q")) for ids in (partial.users, partial.sessions))
    return msgspec.structs.replace(partial, users=IdsSnapshot(), sessions=IdsSnapshot()), *hashes


@given(logs, sizes, st.integers(0, 25), rules_of_both_kinds, clocks)
def test_a_restored_partition_goes_on_as_if_nothing_had_happened(
    log: list[StoredRecord], sizes: list[int], crash: int, rules: CountingRules, clock: int
) -> None:
    """It crashes when it has processed more than it had committed; what is replayed comes in other batches."""
    survivor = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True))
    for batch in batched(log, sizes)[:crash]:
        survivor.process(batch, clock=clock, monotonic=0)
        commit(survivor)
    again = partition(survivor.committed, survivor.committed_offset)
    again.restore([each for each in log if survivor.committed.replay_from <= each.offset < survivor.offset])
    again.restored()
    assert again.changes().dead_letters == ()
    assert again.open_windows == survivor.open_windows
    rest = [each for each in log if each.offset >= survivor.offset]
    for state in (survivor, again):
        if rest:
            state.process(rest, clock=clock, monotonic=0)
        state.watermark.value = max(state.watermark.value, BASE + 1_000_000)
    left, right = survivor.changes(), again.changes()
    assert right.dead_letters == left.dead_letters
    assert {window: (partial.whole, comparable(partial.counts)) for window, partial in right.partials.items()} == {
        window: (partial.whole, comparable(partial.counts)) for window, partial in left.partials.items()
    }
    assert replace(right, partials={}) == replace(left, partials={})


def test_restoring_says_nothing_of_what_was_written() -> None:
    state = partition()
    state.process([record(100, 0), record(101, 12_000)], clock=NOW, monotonic=0)
    commit(state)
    again = partition(state.committed, state.committed_offset)
    again.restore([record(100, 0), record(101, 12_000)])
    again.restored()
    assert (again.counted, again.has_news(), again.changes().partials) == (0, False, {})


def test_a_window_that_is_over_is_not_counted_again() -> None:
    log = [record(100, 15_000), record(101, 5_000), record(102, 17_000)]
    state = partition()
    state.process(log, clock=NOW, monotonic=0)
    assert totals(commit(state)) == {0: 1}
    assert (state.committed.replay_from, state.open_windows) == (100, 1), "offsets of a batch begin with its first"
    again = partition(state.committed, state.committed_offset)
    again.restore(log)
    again.restored()
    assert again.open_windows == 1


# -- many windows -----------------------------------------------------------------------------------------------------


def scattered(first: int, count: int) -> list[StoredRecord]:
    """Records of a clock that is years ahead, one in each window; the watermark does not follow them."""
    return [
        record(number, 200_000 + number * SIZE, arrived=200_000 + number * SIZE)
        for number in range(first, first + count)
    ]


def test_a_backlog_of_one_event_in_each_window_is_written_before_there_are_too_many() -> None:
    state = partition()
    for offset in range(FIRST, FIRST + MOST_WINDOWS):
        state.process([record(offset, offset * SIZE)], clock=NOW + 10**8, monotonic=0)
        assert not state.is_full
    state.process([record(FIRST + MOST_WINDOWS, (FIRST + MOST_WINDOWS) * SIZE)], clock=NOW + 10**8, monotonic=0)
    assert state.is_full
    assert state.is_urgent(behind=10**9)
    changes = commit(state)
    assert len(changes.partials) == MOST_WINDOWS - 1
    assert (state.open_windows, state.is_full, changes.commit.written_ahead_to) == (2, False, NEVER)


def test_open_windows_beyond_what_a_partition_holds_are_written_ahead_of_the_watermark_and_added_to_later() -> None:
    state = partition()
    state.process(scattered(FIRST, MOST_OPEN_WINDOWS), clock=NOW, monotonic=0)
    assert (commit(state).partials, state.open_windows) == ({}, MOST_OPEN_WINDOWS)
    state.process(scattered(FIRST + MOST_OPEN_WINDOWS, 1), clock=NOW, monotonic=0)
    first = commit(state)
    assert len(first.partials) == MOST_OPEN_WINDOWS + 1
    assert all(partial.whole for partial in first.partials.values())
    assert (state.open_windows, first.commit.replay_from, first.commit.watermark) == (0, first.offset, NEVER)
    state.process([replace(scattered(FIRST, 1)[0], offset=first.offset)], clock=NOW, monotonic=0)
    state.watermark.value = BASE + 10**9
    assert [(partial.whole, partial.counts.total_events) for partial in commit(state).partials.values()] == [(False, 1)]


@given(logs, sizes, rules_of_both_kinds, clocks)
def test_what_is_written_adds_up_to_what_was_counted_however_few_windows_are_held(
    log: list[StoredRecord], sizes: list[int], rules: CountingRules, clock: int
) -> None:
    def written(most: int) -> dict[int, int]:
        found: dict[int, int] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(partition_module, "MOST_OPEN_WINDOWS", most)
            state = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True))
            for batch in batched(log, sizes):
                state.process(batch, clock=clock, monotonic=0)
                add(found, commit(state))
                again = partition(state.committed, state.committed_offset)
                again.restore([each for each in log if state.committed.replay_from <= each.offset < state.offset])
                again.restored()
                assert again.open_windows == state.open_windows <= max(most, 0)
                state = again
            state.watermark.value = max(state.watermark.value, BASE + 1_000_000)
            add(found, commit(state))
        return found

    def add(found: dict[int, int], changes: Changes) -> None:
        for window, partial in changes.partials.items():
            assert not (partial.whole and window in found)
            found[window] = found.get(window, 0) + partial.counts.total_events

    assert written(0) == written(1) == written(100)


# -- the ends of time, and of seconds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"])
def test_an_event_whose_window_can_not_be_written_is_refused(text: str) -> None:
    rules = CountingRules(7 * 60_000, "event", SKEW)  # no divisor of a day: the first window begins before the year 1
    state = partition(EventsCommit(rules=rules, replay_from=FIRST, joined=True))
    state.process([record(100, 0, timestamp=text), record(101, 0)], clock=NOW, monotonic=0)
    assert refused(state) == [(100, "bad_timestamp")]
    assert state.counted == 1


def test_an_event_of_the_year_1_is_counted_where_its_window_can_be_written() -> None:
    state = partition()
    state.process([record(100, 0, timestamp="0001-01-01T00:00:00.000Z")], clock=NOW, monotonic=0)
    assert (refused(state), state.counted) == ([], 1)


def test_a_leap_second_is_the_first_second_of_the_next_day_in_a_batch_too() -> None:
    midnight = parse_timestamp("2017-01-01T00:00:00Z") - BASE
    texts = ["2016-12-31T23:59:60.900Z", "2017-01-01T00:00:00.100Z"]
    together, apart = partition(), partition()
    records = [record(100 + n, 0, arrived=midnight + 5_000, timestamp=text) for n, text in enumerate(texts)]
    together.process(records, clock=NOW, monotonic=0)
    for each in records:
        apart.process([each], clock=NOW, monotonic=0)
    assert together.watermark.value == apart.watermark.value == BASE + midnight + 900 - DISORDER
    assert together.changes() == apart.changes()
