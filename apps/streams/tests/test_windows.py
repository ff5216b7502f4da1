from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams.windows import NEVER, CountingRules

rules = st.builds(
    CountingRules, st.integers(1, 86_400).map(lambda seconds: seconds * 1000), st.just("event"), st.just(0)
)
times = st.integers(-62_135_596_800_000, 253_402_300_799_999)


@given(rules, times)
def test_a_time_belongs_to_the_window_that_starts_at_or_before_it_and_ends_after_it(
    rules: CountingRules, time: int
) -> None:
    window = rules.window_of(time)
    assert window <= time < rules.end_of(window)


@given(rules, times)
def test_windows_are_aligned_to_the_epoch_also_before_it(rules: CountingRules, time: int) -> None:
    assert rules.window_of(time) % rules.window_size == 0


@given(rules, times)
def test_the_end_of_a_window_belongs_to_the_next_one(rules: CountingRules, time: int) -> None:
    end = rules.end_of(rules.window_of(time))
    assert rules.window_of(end - 1) == rules.window_of(time)
    assert rules.window_of(end) == end


@given(rules, times)
def test_rounding_up_gives_the_first_bound_that_is_not_before_the_time(rules: CountingRules, time: int) -> None:
    bound = rules.round_up(time)
    assert bound % rules.window_size == 0
    assert bound - rules.window_size < time <= bound


@given(rules, times)
def test_never_is_before_every_window(rules: CountingRules, time: int) -> None:
    assert rules.end_of(rules.window_of(NEVER)) < rules.window_of(time)
