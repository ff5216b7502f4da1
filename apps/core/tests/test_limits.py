import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core import limits
from clickstream_core.limits import RateLimit


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_ten_seconds_worth() -> None:
    limit = RateLimit(2, Clock())
    assert [limit.take("a", 1) for _ in range(21)] == [0] * 20 + [1]


def test_names_have_buckets_of_their_own() -> None:
    limit = RateLimit(0.1, Clock())
    assert limit.take("a", 1) == 0
    assert limit.take("a", 1) > 0
    assert limit.take("b", 1) == 0


def test_a_batch_passes_at_once_and_later_requests_wait_for_it() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    assert limit.take("a", 600) == 0
    assert limit.take("a", 1) == 51
    clock.now += 49
    assert limit.take("a", 1) > 0
    clock.now += 2
    assert limit.take("a", 1) == 0


def test_checking_takes_nothing() -> None:
    limit = RateLimit(0.1, Clock())
    assert [limit.take("a", 0) for _ in range(5)] == [0] * 5
    assert limit.take("a", 1) == 0
    assert limit.take("a", 0) > 0


def test_infinity_is_no_limit() -> None:
    limit = RateLimit(math.inf, Clock())
    assert [limit.take("a", 10_000) for _ in range(100)] == [0] * 100


def test_names_are_forgotten_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 10)
    limit = RateLimit(0.1, Clock())
    for number in range(1000):
        assert limit.take(str(number), 1) == 0
    assert len(limit._buckets) == 10
    assert limit.take("999", 1) > 0


def test_full_buckets_are_dropped() -> None:
    clock = Clock()
    limit = RateLimit(10, clock, byte_rate=1000)
    for number in range(1000):
        assert limit.take(str(number), 1) == limit.take_bytes(str(number), 100) == 0
    clock.now += 1
    for _ in range(600):
        assert limit.take("another", 1) == 0
        limit._buckets.pop("another")
    assert limit._buckets == {}


def test_bytes_have_a_bucket_of_ten_seconds_worth_too() -> None:
    clock = Clock()
    limit = RateLimit(10, clock, byte_rate=1000)
    assert [limit.take_bytes("a", 2500) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert (limit.take("a", 0), limit.take("a", 1), limit.lacks_bytes("a")) == (1, 1, True)
    assert limit.take_bytes("b", 2500) == 0
    clock.now += 1
    assert limit.take("a", 1) == limit.take_bytes("a", 60_000) == 0
    assert limit.take("a", 1) == 60


def test_the_bytes_of_events_that_have_passed_wait_for_no_events() -> None:
    limit = RateLimit(10, Clock(), byte_rate=1000)
    assert limit.take("a", 600) == limit.take_bytes("a", 100) == 0
    assert limit.take("a", 1) == 51
    assert not limit.lacks_bytes("a")


def test_a_bucket_holds_the_bytes_of_one_event_at_least() -> None:
    limit = RateLimit(0.01, Clock(), byte_rate=20)
    assert [limit.take_bytes("a", 500) for _ in range(5)] == [0, 0, 0, 0, 1]


def test_without_a_limit_in_bytes_any_size_passes() -> None:
    limit = RateLimit(10, Clock())
    assert [limit.take_bytes("a", 10**9) for _ in range(10)] == [0] * 10


def test_a_hundred_thousand_names_take_the_documented_memory() -> None:
    limit = RateLimit(10, Clock(), byte_rate=1000)
    tracemalloc.start()
    try:
        for number in range(limits.MAX_BUCKETS + 1000):
            name = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64"
            assert limit.take(name, 1) == limit.take_bytes(name, 100) == 0
        assert len(limit._buckets) == limits.MAX_BUCKETS
        assert tracemalloc.get_traced_memory()[0] < 40_000_000
    finally:
        tracemalloc.stop()


@given(
    st.floats(0.01, 1000),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10_000)), min_size=1, max_size=50),
)
def test_never_more_than_the_rate_the_bucket_and_one_batch(rate: float, requests: list[tuple[float, int]]) -> None:
    clock = Clock()
    limit = RateLimit(rate, clock)
    begun, passed, largest = clock.now, 0, 0
    for pause, events in requests:
        clock.now += pause
        after = limit.take("a", events)
        assert 0 <= after <= 3600
        if after == 0:
            passed, largest = passed + events, max(largest, events)
    assert passed <= max(1.0, rate * 10) + rate * (clock.now - begun) + largest + 0.01


@given(st.floats(0.05, 1000), st.integers(1, 1000))
def test_a_request_after_the_returned_wait_passes(rate: float, events: int) -> None:
    clock = Clock()
    limit = RateLimit(rate, clock)
    while (after := limit.take("a", events)) == 0:
        pass
    while after == 3600:
        clock.now += after
        after = limit.take("a", events)
    clock.now += after
    assert limit.take("a", events) == 0
