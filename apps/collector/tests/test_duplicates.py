from hypothesis import given
from hypothesis import strategies as st

from clickstream_collector.duplicates import GENERATION_S, RecentlyDelivered
from kit.in_process import Clock


def test_what_was_delivered_is_remembered() -> None:
    delivered = RecentlyDelivered(Clock())
    delivered.add(7)
    assert 7 in delivered
    assert 8 not in delivered


def test_it_is_remembered_for_ten_minutes_at_least() -> None:
    clock = Clock()
    delivered = RecentlyDelivered(clock)
    delivered.add(7)
    for number in range(100, 110):
        clock.now += GENERATION_S / 10 - 1
        delivered.add(number)
        assert 7 in delivered


def test_it_is_forgotten_after_two_generations() -> None:
    clock = Clock()
    delivered = RecentlyDelivered(clock)
    delivered.add(7)
    for number in (8, 9):
        clock.now += GENERATION_S
        delivered.add(number)
    assert 7 not in delivered
    assert 8 in delivered


@given(st.lists(st.integers(), max_size=60), st.integers(1, 10))
def test_the_last_ones_are_known_and_memory_is_bounded(fingerprints: list[int], generation: int) -> None:
    delivered = RecentlyDelivered(Clock(), generation)
    for fingerprint in fingerprints:
        delivered.add(fingerprint)
    assert all(each in delivered for each in fingerprints[-generation:])
    assert len(delivered._young) + len(delivered._old) <= 2 * generation
