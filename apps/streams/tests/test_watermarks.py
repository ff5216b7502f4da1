from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams.watermarks import (
    MAX_GAP_MS,
    CaughtUp,
    PartitionWatermark,
    final_before,
    slowest_partition,
    topic_watermark,
)
from clickstream_streams.windows import NEVER

TURN = 500


@pytest.fixture
def watermark() -> PartitionWatermark:
    return PartitionWatermark(out_of_orderness=5_000, idle_timeout=10_000, monotonic=0)


def turn_until(watermark: PartitionWatermark, end: int, *, start: int = 0, clock: int = 1_000_000) -> None:
    """Turn every half second of the monotonic clock, caught up; the wall clock began at `clock`."""
    for monotonic in range(start, end + 1, TURN):
        watermark.turn(caught_up=True, clock=clock + monotonic, monotonic=monotonic)


def test_records_raise_the_watermark_to_the_largest_time_minus_the_disorder(watermark: PartitionWatermark) -> None:
    watermark.observe(100_000, ahead=False, monotonic=0)
    watermark.observe(90_000, ahead=False, monotonic=1)
    assert watermark.value == 95_000


def test_a_silent_partition_follows_the_clock(watermark: PartitionWatermark) -> None:
    watermark.observe(100_000, ahead=False, monotonic=0)
    turn_until(watermark, 9_500)
    assert watermark.value == 95_000
    turn_until(watermark, 10_000, start=10_000)
    assert watermark.value == 1_000_000 + 10_000 - 5_000
    turn_until(watermark, 12_000, start=10_500)
    assert watermark.value == 1_000_000 + 12_000 - 5_000


def test_a_partition_that_never_had_a_record_follows_the_clock(watermark: PartitionWatermark) -> None:
    turn_until(watermark, 10_000)
    assert watermark.value == 1_005_000


def test_a_record_that_raises_the_watermark_restarts_the_silence(watermark: PartitionWatermark) -> None:
    turn_until(watermark, 9_500)
    watermark.observe(100_000, ahead=False, monotonic=9_500)
    turn_until(watermark, 19_000, start=10_000)
    assert watermark.value == 95_000
    turn_until(watermark, 19_500, start=19_500)
    assert watermark.value == 1_014_500


def test_a_record_that_does_not_raise_the_watermark_does_not_end_the_silence(watermark: PartitionWatermark) -> None:
    watermark.observe(100_000, ahead=False, monotonic=0)
    turn_until(watermark, 9_500)
    watermark.observe(99_000, ahead=False, monotonic=9_500)
    turn_until(watermark, 10_000, start=10_000)
    assert watermark.value == 1_005_000


def test_a_partition_that_lags_is_never_taken_for_idle(watermark: PartitionWatermark) -> None:
    for monotonic in range(0, 100_000, TURN):
        watermark.turn(caught_up=False, clock=1_000_000 + monotonic, monotonic=monotonic)
    assert watermark.value == NEVER


def test_one_turn_of_lag_restarts_the_silence(watermark: PartitionWatermark) -> None:
    turn_until(watermark, 9_500)
    watermark.turn(caught_up=False, clock=1_009_600, monotonic=9_600)
    turn_until(watermark, 19_500, start=10_000)
    assert watermark.value == NEVER
    turn_until(watermark, 20_000, start=20_000)
    assert watermark.value == 1_015_000


@pytest.mark.parametrize(("gap", "idle"), [(MAX_GAP_MS, True), (MAX_GAP_MS + 1, False)])
def test_a_stalled_loop_restarts_the_silence(watermark: PartitionWatermark, gap: int, idle: bool) -> None:
    turn_until(watermark, 9_500)
    watermark.turn(caught_up=True, clock=2_000_000, monotonic=9_500 + gap)
    assert (watermark.value == 1_995_000) is idle


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000])
def test_a_jump_of_the_clock_does_not_count_as_silence(watermark: PartitionWatermark, jump: int) -> None:
    turn_until(watermark, 5_000)
    turn_until(watermark, 9_500, start=5_500, clock=1_000_000 + jump)
    assert watermark.value == NEVER


def test_a_clock_that_was_set_back_does_not_lower_the_watermark(watermark: PartitionWatermark) -> None:
    turn_until(watermark, 10_000)
    turn_until(watermark, 20_000, start=10_500, clock=0)
    assert watermark.value == 1_005_000


@given(
    st.lists(
        st.one_of(
            st.tuples(st.integers(-10_000, 100_000), st.booleans()).map(
                lambda each: lambda w, m: w.observe(each[0], ahead=each[1], monotonic=m)
            ),
            st.tuples(st.booleans(), st.integers(-100_000, 200_000)).map(
                lambda each: lambda w, m: w.turn(caught_up=each[0], clock=each[1], monotonic=m)
            ),
        ).flatmap(lambda step: st.tuples(st.just(step), st.integers(0, 6_000)))
    )
)
def test_a_watermark_never_falls(steps: list[tuple[Callable[[PartitionWatermark, int], None], int]]) -> None:
    watermark = PartitionWatermark(out_of_orderness=5_000, idle_timeout=10_000, monotonic=0, value=20_000)
    monotonic, values = 0, [watermark.value]
    for step, elapsed in steps:
        monotonic += elapsed
        step(watermark, monotonic)
        values.append(watermark.value)
    assert values == sorted(values)


def test_records_too_far_ahead_of_the_clock_raise_nothing_as_long_as_others_do(watermark: PartitionWatermark) -> None:
    for monotonic in range(0, 60_000, TURN):
        watermark.observe(900_000 + monotonic, ahead=True, monotonic=monotonic)
        watermark.turn(caught_up=True, clock=1_000_000 + monotonic, monotonic=monotonic)
        assert watermark.value == 900_000 + monotonic - 5_000


@pytest.mark.parametrize("caught_up_every", [1, 7])
def test_a_partition_with_nothing_but_records_too_far_ahead_does_not_hold_windows_open(
    watermark: PartitionWatermark, caught_up_every: int
) -> None:
    watermark.observe(900_000, ahead=False, monotonic=0)
    for turn in range(1, 121):
        watermark.observe(NEVER, ahead=True, monotonic=turn * TURN)
        watermark.turn(caught_up=turn % caught_up_every == 0, clock=1_000_000 + turn * TURN, monotonic=turn * TURN)
        assert watermark.value <= 1_000_000 + turn * TURN - 5_000
        if turn * TURN < 10_000:
            assert watermark.value == 895_000
    assert watermark.value >= 1_060_000 - 5_000 - 10_000 - caught_up_every * TURN


def test_records_too_far_ahead_do_not_close_windows_of_a_partition_that_lags(watermark: PartitionWatermark) -> None:
    for monotonic in range(0, 60_000, TURN):
        watermark.observe(NEVER, ahead=True, monotonic=monotonic)
        watermark.turn(caught_up=False, clock=1_000_000 + monotonic, monotonic=monotonic)
    assert watermark.value == NEVER


# -- caught up --------------------------------------------------------------------------------------------------------


def test_a_partition_is_caught_up_when_a_fetch_after_the_previous_turn_saw_no_more() -> None:
    caught_up = CaughtUp()
    assert not caught_up.turn(position=7, end=7, fetched_at=1, monotonic=0), "the age of that fetch is unknown"
    assert caught_up.turn(position=7, end=7, fetched_at=2, monotonic=500)


def test_a_partition_with_records_to_read_is_not_caught_up() -> None:
    caught_up = CaughtUp()
    caught_up.turn(position=7, end=8, fetched_at=1, monotonic=0)
    assert not caught_up.turn(position=7, end=8, fetched_at=2, monotonic=500)
    assert caught_up.turn(position=8, end=8, fetched_at=3, monotonic=1_000)


def test_a_partition_whose_log_was_never_seen_is_not_caught_up() -> None:
    caught_up = CaughtUp()
    answers = [caught_up.turn(position=0, end=None, fetched_at=None, monotonic=turn * TURN) for turn in range(10)]
    assert not any(answers)


def test_fetches_that_fail_are_believed_no_longer_than_the_longest_gap() -> None:
    caught_up = CaughtUp()
    caught_up.turn(position=7, end=7, fetched_at=1, monotonic=0)
    caught_up.turn(position=7, end=7, fetched_at=2, monotonic=500)
    assert caught_up.turn(position=7, end=7, fetched_at=2, monotonic=MAX_GAP_MS)
    assert not caught_up.turn(position=7, end=7, fetched_at=2, monotonic=MAX_GAP_MS + 1)


def test_a_fetch_answered_during_a_stall_proves_nothing() -> None:
    caught_up = CaughtUp()
    caught_up.turn(position=7, end=7, fetched_at=1, monotonic=0)
    assert not caught_up.turn(position=7, end=7, fetched_at=2, monotonic=60_000)
    assert caught_up.turn(position=7, end=7, fetched_at=3, monotonic=60_500)


# -- the topic's watermark --------------------------------------------------------------------------------------------


def test_the_topics_watermark_is_the_smallest_of_its_partitions() -> None:
    assert topic_watermark({0: 30, 1: 10, 2: 20}, 3) == 10


@pytest.mark.parametrize("heard_from", [{}, {0: 30}, {0: 30, 2: 20}])
def test_a_partition_that_never_reported_holds_every_window_open(heard_from: dict[int, int]) -> None:
    assert topic_watermark(heard_from, 3) == NEVER


def test_a_partition_heard_from_before_the_topic_is_known_to_have_it_counts() -> None:
    assert topic_watermark({0: 30, 1: 5}, 1) == 5


def test_without_any_partition_no_window_closes() -> None:
    assert topic_watermark({}, 0) == NEVER


@given(st.dictionaries(st.integers(0, 5), st.integers(-100, 100)), st.integers(0, 6))
def test_the_slowest_partition_is_one_that_has_the_topics_watermark(watermarks: dict[int, int], count: int) -> None:
    partition, watermark = slowest_partition(watermarks, count)
    assert watermark == topic_watermark(watermarks, count)
    assert watermarks.get(partition, NEVER) == watermark


def test_windows_are_over_when_the_watermark_has_passed_them_by_the_allowed_lateness() -> None:
    assert final_before(100_000, 60_000) == 40_000
