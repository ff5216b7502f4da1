"""What a replica knows of the brokers' clock."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_kafka.clock import BrokersClock, Clock

HOUR = 3_600_000
START = 1_730_000_000_000


class World:
    """Brokers whose clock is `brokers`, and a machine whose own is `ahead` of it."""

    def __init__(self, ahead: int = 0, max_clock_skew: int = 60_000) -> None:
        self.brokers, self.monotonic, self.ahead = START, 500, ahead
        own = Clock(now=lambda: self.brokers + self.ahead, monotonic=lambda: self.monotonic)
        self.offsets: list[float] = []
        self.clock = BrokersClock(own, max_clock_skew=max_clock_skew, show_offset=self.offsets.append)

    def wait(self, milliseconds: int) -> None:
        self.brokers += milliseconds
        self.monotonic += milliseconds

    def write(self, there: int = 0, back: int = 0) -> None:
        """Append a record, which takes so long to get there, and its answer to come back."""
        sent = self.monotonic
        self.wait(there)
        appended = self.brokers
        self.wait(back)
        self.clock.learn(appended, sent=sent)

    @property
    def error(self) -> int:
        """How far `now` is ahead of the brokers' clock."""
        return self.clock.now() - self.brokers


def test_before_a_broker_has_answered_nothing_is_settled() -> None:
    world = World(ahead=HOUR)
    assert (world.clock.is_settled, world.clock.is_stale) == (False, True)
    world.write()
    assert (world.clock.is_settled, world.clock.is_stale) == (True, False)


@pytest.mark.parametrize("ahead", [-HOUR, -1, 0, HOUR])
def test_the_brokers_clock_is_told_by_an_answer_however_wrong_the_own_one_is(ahead: int) -> None:
    world = World(ahead)
    world.write()
    assert world.error == 0
    world.wait(50_000)
    assert world.error == 0


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_step_of_the_machines_own_clock_has_no_effect(step: int) -> None:
    world = World()
    world.write()
    world.wait(500)
    before = world.clock.now()
    world.ahead = step
    assert world.clock.now() == before


def test_a_slow_answer_bounds_less_and_takes_nothing_from_a_quick_one() -> None:
    world = World()
    world.write(there=3, back=4)
    assert world.error == -4
    world.write(there=2000, back=5000)
    assert -20 < world.error <= 0


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 3000)), min_size=1), st.integers(-1, 1)
)
def test_it_is_never_ahead_of_brokers_that_drift_and_behind_them_by_the_quickest_answer_at_most(
    answers: list[tuple[int, int, int]], drift: int
) -> None:
    """`drift` is in thousandths: what clocks are slewed by at most."""
    world = World()
    quickest = 10**6
    for there, back, pause in answers:
        world.write(there, back)
        quickest = min(quickest, back)
        assert -quickest - 2 * sum(sum(each) for each in answers) // 1000 - 2 * len(answers) <= world.error <= 0
        world.wait(pause)
        world.brokers += drift * (pause // 1000)


def test_an_answer_is_fresh_for_a_minute() -> None:
    world = World()
    world.write()
    world.wait(59_999)
    assert not world.clock.is_stale
    world.wait(1)
    assert world.clock.is_stale


def test_brokers_whose_clock_is_set_back_are_believed_at_once() -> None:
    world = World()
    world.write()
    world.brokers -= HOUR
    world.write()
    assert world.error == 0


def test_brokers_whose_clock_is_an_hour_ahead_for_twelve_seconds_are_not_believed() -> None:
    world = World()
    world.write()
    world.brokers += HOUR
    for _ in range(12):
        world.wait(1000)
        world.write()
        assert -HOUR - 100 < world.error <= -HOUR
    world.brokers -= HOUR
    world.write()
    assert -100 < world.error <= 0


def test_brokers_that_tell_of_a_step_ahead_for_a_minute_are_believed() -> None:
    world = World()
    world.write()
    world.brokers += HOUR
    world.write()
    world.wait(60_000)
    world.write()
    assert world.error == 0


def test_the_minute_starts_again_when_an_answer_shows_no_step() -> None:
    world = World()
    world.write()
    for _ in range(3):
        world.brokers += HOUR
        world.write()
        world.wait(50_000)
        world.write()
        world.brokers -= HOUR
        world.write()
    assert -200 < world.error <= 0


def test_a_topic_that_does_not_tell_leaves_the_own_clock() -> None:
    world = World(ahead=7)
    world.clock.learn(None, sent=0)
    assert (world.clock.is_settled, world.error) == (True, 7)
    world.write()
    world.clock.learn(None, sent=0)  # its topic was changed back
    assert world.error == 0


@pytest.mark.parametrize(
    ("ahead", "said"), [(HOUR, "1h ahead of"), (-HOUR, "1h behind"), (60_500, None), (61_600, "62s ahead of")]
)
def test_a_clock_that_is_off_by_more_than_is_allowed_is_named_twice_a_minute(
    ahead: int, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(ahead)
    for _ in range(60):
        world.write(there=500, back=500)
    assert world.offsets[-1] == pytest.approx(ahead / 1000, abs=0.002)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == (2 if said else 0)
    for message in messages:
        assert f"the clock of this machine is {said} the brokers', MAX_CLOCK_SKEW is 1m" in message


def test_a_clock_is_named_as_long_as_it_is_wrong(caplog: pytest.LogCaptureFixture) -> None:
    world = World(HOUR)
    world.write()
    world.ahead = 0
    for _ in range(10):
        world.wait(30_000)
        world.write()
    assert len(caplog.records) == 1
    assert world.offsets[-1] == pytest.approx(0, abs=0.002)


def test_without_tolerance_a_second_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    world = World(ahead=900, max_clock_skew=0)
    world.write()
    assert caplog.records == []
    world.ahead = 1100
    world.write()
    assert "is 1s ahead of the brokers', MAX_CLOCK_SKEW is 0s" in caplog.text


def test_the_machines_own_clock_is_that_of_the_system() -> None:
    clock = Clock()
    readings = [clock.monotonic() for _ in range(10)]
    assert all(earlier <= later for earlier, later in pairwise(readings))
    assert clock.now() > START
