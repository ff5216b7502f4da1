"""The schedule of events: exact, even, and without bursts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_producer.pacing import TICK_S, Pace


def run(pace: Pace, turns: list[float]) -> list[tuple[float, int]]:
    """Ask at each moment and take what is due."""
    taken = []
    for now in turns:
        due = pace.due(now)
        pace.take(due)
        taken.append((now, due))
    return taken


def every_tick(start: float, seconds: float) -> list[float]:
    return [start + turn * TICK_S for turn in range(1, round(seconds / TICK_S) + 1)]


@pytest.mark.parametrize("rate", [0.5, 1, 3, 10, 999, 8_000, 20_000])
def test_the_rate_is_exact_over_any_ten_seconds(rate: float) -> None:
    taken = run(Pace(rate, 50.0), every_tick(50.0, 30.0))

    for begin in range(0, len(taken) - 2000, 100):
        events = sum(due for _, due in taken[begin : begin + 2000])
        assert abs(events - rate * 10) <= max(1.0, rate * 10 * 0.01)


def test_events_are_spread_within_the_second() -> None:
    taken = run(Pace(1000, 0.0), every_tick(0.0, 2.0))

    assert {due for _, due in taken} <= {4, 5, 6}


@pytest.mark.parametrize("rate", [1, 7, 10, 3_333])
def test_a_run_of_some_seconds_has_rate_times_seconds_events(rate: int) -> None:
    taken = run(Pace(rate, 0.0), every_tick(0.0, 10.0))

    assert sum(due for _, due in taken) == rate * 10


def test_a_late_turn_is_made_up_for_at_no_more_than_twice_the_rate() -> None:
    pace = Pace(1000, 0.0)
    run(pace, every_tick(0.0, 1.0))

    after = run(pace, every_tick(1.3, 1.0))

    assert max(due for _, due in after[1:]) <= 10
    assert sum(due for _, due in after) == 1300


def test_after_a_pause_generation_goes_on_at_the_rate() -> None:
    pace = Pace(1000, 0.0)
    run(pace, every_tick(0.0, 1.0))

    after = run(pace, every_tick(61.0, 10.0))

    assert sum(due for _, due in after) == pytest.approx(10_000, abs=10)
    assert max(due for _, due in after) <= 10


@given(
    rate=st.floats(0.1, 20_000),
    steps=st.lists(st.floats(0.001, 2.0), min_size=1, max_size=200),
)
def test_no_turn_is_ahead_of_the_schedule(rate: float, steps: list[float]) -> None:
    pace, now, total = Pace(rate, 0.0), 0.0, 0
    for step in steps:
        now += step
        due = pace.due(now)
        pace.take(due)
        total += due
        assert due >= 0
        assert total <= rate * now + 1


def test_processes_take_turns_with_their_events() -> None:
    moments = []
    for share in range(2):
        pace = Pace(5, share / 10)
        moments += [now for now, due in run(pace, every_tick(0.0, 5.0)) if due]

    gaps = [later - earlier for earlier, later in pairwise(sorted(moments))]

    assert max(gaps) <= 0.1 + 2 * TICK_S
    assert min(gaps) >= 0.1 - 2 * TICK_S
