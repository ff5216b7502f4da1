from array import array
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream_core.events import MAX_NAME_BYTES, CountedEvent, cut_name
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_streams.counts import (
    MOST_AT_ONCE,
    MOST_EXACT_IDS,
    MOST_KINDS,
    MOST_KINDS_SHOWN,
    MOST_PARTIAL_BYTES,
    OTHER,
    Delta,
    PartialCounts,
    WindowCounts,
    merged_metrics,
)
from clickstream_streams.sketches import id_hashes

START = parse_timestamp("2024-10-26T10:30:00Z")
END = parse_timestamp("2024-10-26T10:35:00Z")
LARGEST_DURATION = 2**63 - 1

words = st.text(st.sampled_from("abc"), max_size=2)
events = st.builds(
    CountedEvent,
    st.just("2024-10-26T10:30:00.000Z"),
    words,
    words,
    words,
    words,
    words,
    words,
    st.one_of(st.integers(0, 10), st.integers(0, LARGEST_DURATION)),
)
batches = st.lists(st.lists(events, min_size=1, max_size=15), min_size=1, max_size=3)


def event(**fields: str | int) -> CountedEvent:
    values: dict[str, str | int] = {
        "timestamp": "2024-10-26T10:30:00.000Z",
        "user_id": "user",
        "session_id": "session",
        "event_type": "click",
        "page_url": "/",
        "referrer": "direct",
        "device_type": "mobile",
        "duration_ms": 5,
    }
    return CountedEvent(*(values | fields).values())  # type: ignore[arg-type]  # one dict for texts and a number


def counted(batches: Sequence[Sequence[CountedEvent]], exact_limit: int = 1000) -> PartialCounts:
    counts = WindowCounts(exact_limit)
    for batch in batches:
        counts.add(batch)
    return counts.snapshot()


def merged(*partials: PartialCounts) -> WindowMetrics:
    return merged_metrics(START, END, partials)


def top(values: Sequence[str], most: int | None = None) -> list[tuple[str, int]]:
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:most]


@given(st.lists(batches, min_size=1, max_size=4))
def test_the_merged_numbers_are_those_of_counting_all_events_at_once(
    partitions: list[list[list[CountedEvent]]],
) -> None:
    metrics = merged(*[counted(batches) for batches in partitions])
    everything = [event for batches in partitions for batch in batches for event in batch]
    assert metrics.total_events == len(everything)
    assert metrics.unique_users == len({event.user_id for event in everything})
    assert metrics.unique_sessions == len({event.session_id for event in everything})
    assert list(metrics.event_types.items()) == top([event.event_type for event in everything])
    assert list(metrics.devices.items()) == top([event.device_type for event in everything])
    assert list(metrics.top_referrers.items()) == top([event.referrer for event in everything], 3)
    assert list(metrics.top_pages.items()) == top([event.page_url for event in everything], 5)
    assert metrics.avg_duration_ms == sum(event.duration_ms for event in everything) // len(everything)
    assert (metrics.revision, metrics.approximate) == (0, False)


@given(batches)
def test_the_batches_that_events_come_in_change_nothing(batches: list[list[CountedEvent]]) -> None:
    one_by_one = [[event] for batch in batches for event in batch]
    assert merged(counted(batches)) == merged(counted(one_by_one))


@given(batches)
def test_a_snapshot_changes_nothing(batches: list[list[CountedEvent]]) -> None:
    counts = WindowCounts(1000)
    for batch in batches:
        counts.add(batch)
        assert merged(counts.snapshot()) == merged(counts.snapshot())
    assert merged(counts.snapshot()) == merged(counted(batches))


def test_the_bounds_of_the_window_are_those_of_the_record() -> None:
    metrics = merged(counted([[event()]]))
    assert (metrics.window_start, metrics.window_end) == ("2024-10-26T10:30:00Z", "2024-10-26T10:35:00Z")


def test_a_window_without_events_has_no_average_to_divide_for() -> None:
    assert merged().avg_duration_ms == 0


def test_durations_whose_sum_passes_64_bits_are_averaged_exactly() -> None:
    durations = [LARGEST_DURATION, LARGEST_DURATION, 0, 1]
    partials = [counted([[event(duration_ms=duration)]]) for duration in durations]
    assert merged(*partials).avg_duration_ms == sum(durations) // 4
    assert merged(counted([[event(duration_ms=duration) for duration in durations]])) == merged(*partials)


def test_a_user_in_several_partitions_is_counted_once() -> None:
    assert merged(counted([[event()]]), counted([[event(session_id="another")]])).unique_users == 1


def test_one_estimate_makes_the_result_approximate() -> None:
    many = counted([[event(user_id=f"user-{number}") for number in range(11)]], exact_limit=10)
    assert not merged(counted([[event()]])).approximate
    assert merged(counted([[event()]]), many).approximate


def test_a_window_says_that_a_sketch_counts_in_it() -> None:
    counts = WindowCounts(exact_limit=2)
    counts.add([event(), event(session_id="another")])
    assert not counts.approximate
    counts.add([event(session_id="a third")])
    assert counts.approximate


@given(st.integers(1, 400))
def test_event_types_beyond_those_told_apart_are_counted_together_in_whatever_batches_they_come(size: int) -> None:
    everything = [event(event_type=f"type-{number % (MOST_KINDS + 100)}") for number in range(MOST_KINDS + 300)]
    batches = [everything[first : first + size] for first in range(0, len(everything), size)]
    kinds = counted(batches).event_types
    assert kinds[OTHER] == 100
    assert len(kinds) == MOST_KINDS + 1
    assert sum(kinds.values()) == len(everything)


def test_an_event_type_that_is_called_as_the_others_are_is_counted_with_them() -> None:
    everything = [event(event_type=f"type-{number}") for number in range(MOST_KINDS + 5)]
    assert counted([[event(event_type=OTHER), *everything]]).event_types[OTHER] == 7


def test_no_more_event_types_are_shown_than_a_reader_can_bear_and_their_sum_is_the_total() -> None:
    everything = [event(event_type=f"type-{number:03}") for number in range(MOST_KINDS_SHOWN + 1)]
    at_the_bound, beyond = merged(counted([everything[:-1]])), merged(counted([everything]))
    assert OTHER not in at_the_bound.event_types
    assert len(at_the_bound.event_types) == len(beyond.event_types) == MOST_KINDS_SHOWN
    assert next(iter(beyond.event_types.items())) == (OTHER, 2)
    assert sum(beyond.event_types.values()) == beyond.total_events


def test_the_largest_result_that_events_can_bring_about_fits_into_a_record() -> None:
    """Control characters take six bytes in JSON, so these are the longest names that there are."""
    pages = [chr(1) * (MAX_NAME_BYTES - 2) + f"{number:02}" for number in range(10)]
    everything = [
        event(
            event_type=f"{number:03}" + chr(1) * (MAX_NAME_BYTES - 3),
            device_type=f"{number:03}" + chr(1) * (MAX_NAME_BYTES - 3),
            page_url=pages[number % 10],
            referrer=pages[number % 10],
        )
        for number in range(MOST_KINDS_SHOWN + 50)
    ]
    assert len(encode_window_metrics(merged(counted([everything])))) < 1024 * 1024


def test_long_types_that_an_earlier_version_wrote_are_cut_too() -> None:
    earlier = msgspec.structs.replace(counted([[event()]]), event_types={"x" * 8_000: 2})
    now = counted([[event(event_type=cut_name("x" * 8_000))]])
    assert merged(earlier, now).event_types == {cut_name("x" * 8_000): 3}


# -- a partial's size -------------------------------------------------------------------------------------------------


def size_of(counts: WindowCounts) -> int:
    return len(msgspec.msgpack.encode(counts.snapshot()))


def many(first: int, **names: str) -> list[CountedEvent]:
    """A batch whose names are told apart by a number, which stands before them."""
    numbers = range(first, first + MOST_AT_ONCE)
    return [event(**{field: f"{number:07}{name}" for field, name in names.items()}) for number in numbers]


NAMES = ("event_type", "device_type", "referrer", "page_url")
IDS = ("user_id", "session_id")
LONG = "x" * (MAX_NAME_BYTES - 7)


def test_100_000_distinct_names_of_256_bytes_in_all_columns_leave_a_partial_of_4_mib() -> None:
    counts, largest = WindowCounts(MOST_EXACT_IDS), 0
    for first in range(0, 100_000, MOST_AT_ONCE):
        counts.add([*many(first, **dict.fromkeys(NAMES, LONG), **dict.fromkeys(IDS, ""))])
        if first % 10_000 < 2_000:
            largest = max(largest, size_of(counts))
    assert largest <= MOST_PARTIAL_BYTES
    assert counts.approximate
    result = merged(counts.snapshot())
    assert result.approximate
    assert (result.total_events, result.unique_users, result.unique_sessions) == (100_000, 100_000, 100_000)
    assert len(result.top_pages) == 5


@pytest.mark.parametrize("batches", [125, 126])
def test_a_partial_with_as_many_ids_as_are_kept_exactly_has_room_for_the_longest_names(batches: int) -> None:
    """The names come first, so that they are sketches already when the last ids come."""
    counts = WindowCounts(MOST_EXACT_IDS)
    for number in range(batches):
        names = dict.fromkeys(NAMES, LONG) if number < 20 or number > batches - 4 else {}
        counts.add(many(number * MOST_AT_ONCE, **names, **dict.fromkeys(IDS, "")))
        if number > batches - 4:
            assert size_of(counts) <= MOST_PARTIAL_BYTES
    assert merged(counts.snapshot()).unique_users == pytest.approx(batches * MOST_AT_ONCE, rel=0.02)


def test_the_larger_map_of_names_becomes_a_sketch_first() -> None:
    counts = WindowCounts(MOST_EXACT_IDS)
    for number in range(15):
        counts.add(many(number * MOST_AT_ONCE, page_url=LONG, referrer="google.com"[: number % 2]))
    assert counts.snapshot().pages.sketch
    assert len(counts.snapshot().referrers.counts) == 15_000


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.dictionaries(st.sampled_from((*NAMES, *IDS)), st.sampled_from(["", LONG]))),
        max_size=12,
    )
)
def test_whatever_events_say_a_partial_has_a_bound_in_bytes(batches: list[tuple[int, dict[str, str]]]) -> None:
    counts = WindowCounts(3_000)
    for place, names in batches:
        counts.add(many(place * 500, **names))
    assert size_of(counts) <= MOST_PARTIAL_BYTES
    assert merged(counts.snapshot()).total_events == len(batches) * MOST_AT_ONCE


def delta_of(events: Sequence[CountedEvent]) -> Delta:
    """The events as they are counted elsewhere: exactly."""
    return Delta(
        len(events),
        sum(event.duration_ms for event in events),
        Counter(event.event_type for event in events),
        Counter(event.device_type for event in events),
        Counter(event.referrer for event in events),
        Counter(event.page_url for event in events),
        id_hashes({event.user_id for event in events}),
        id_hashes({event.session_id for event in events}),
    )


@given(batches, st.sets(st.integers(0, 2)), st.sampled_from([1, 2, 1000]))
def test_what_was_counted_elsewhere_adds_up_with_what_is_counted_here(
    batches: list[list[CountedEvent]], elsewhere: set[int], exact_limit: int
) -> None:
    counts = WindowCounts(exact_limit)
    for number, batch in enumerate(batches):
        if number in elsewhere:
            counts.add_delta(delta_of(batch))
        else:
            counts.add(batch)
    assert merged(counts.snapshot()) == merged(counted(batches, exact_limit))


def test_a_partial_stays_small_whatever_was_counted_elsewhere() -> None:
    counts = WindowCounts(MOST_EXACT_IDS)
    names = Counter({f"{number:06}".ljust(MAX_NAME_BYTES, "x"): 1 for number in range(60_000)})
    ids = array("Q", range(MOST_EXACT_IDS))
    kinds = Counter({f"{number:04}".ljust(MAX_NAME_BYTES, "x"): 1 for number in range(2 * MOST_KINDS)})
    counts.add_delta(Delta(60_000, 60_000, kinds, kinds, names, names, ids, ids))
    partial = counts.snapshot()
    assert len(msgspec.msgpack.encode(partial)) <= MOST_PARTIAL_BYTES
    assert counts.approximate
    assert partial.event_types[OTHER] == MOST_KINDS
    assert merged(partial).unique_users == MOST_EXACT_IDS
