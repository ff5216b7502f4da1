"""Which sizes a group counted by, and which windows are of none of them."""

import pytest

from clickstream_archive.moments import FOREVER, NEVER
from clickstream_archive.sizes import Counted, Extra, Span, window_sizes


def windows(size: int, first: int, end: int, arrived: int | None = None) -> list[Counted]:
    """Windows from `first` to `end`; each arrives 6 after its end, or one after the other from `arrived` on."""
    starts = range(first, end, size)
    return [
        Counted(start, start + size, start + size + 6 if arrived is None else arrived + place)
        for place, start in enumerate(starts)
    ]


def test_one_size_holds_for_ever() -> None:
    assert window_sizes(windows(10, 0, 300)) == ([Span(10, NEVER, FOREVER)], [])
    assert window_sizes([]) == ([], [])


def test_a_size_that_was_changed_and_changed_back_holds_for_its_time() -> None:
    changed = [*windows(10, 0, 100), *windows(20, 100, 200), *windows(10, 210, 300)]
    spans, extra = window_sizes(changed)
    assert sorted(spans, key=lambda each: each.since) == [
        Span(10, NEVER, 100),
        Span(20, 100, 200),
        Span(10, 210, FOREVER),
    ]
    assert extra == []


@pytest.mark.parametrize("size", [3, 5, 20, 60])
@pytest.mark.parametrize("start", [0, 60, 120])
def test_all_windows_counted_again_by_another_size_are_regular(size: int, start: int) -> None:
    again = windows(size, start, 300, arrived=1_000)
    spans, extra = window_sizes([*windows(10, 0, 300), *again])
    assert extra == []
    assert {each.size for each in spans} == {10, size}
    assert window_sizes([*windows(10, 0, 300, arrived=1_000), *windows(size, start, 300)])[1] == []


def test_windows_counted_again_by_another_size_and_further_ones_by_the_first_are_regular() -> None:
    again, further = windows(5, 0, 310, arrived=1_000), windows(10, 310, 400, arrived=2_000)
    assert window_sizes([*windows(10, 0, 300), *again, *further])[1] == []


def test_a_window_that_was_counted_again_with_all_others_is_regular() -> None:
    assert window_sizes([Counted(63, 64, 70), *windows(10, 0, 300, arrived=1_000)])[1] == []


@pytest.mark.parametrize(("start", "size"), [(63, 1), (60, 5), (60, 20), (60, 30), (290, 1)])
@pytest.mark.parametrize("arrived", [68, 76, 200])
def test_a_window_among_those_of_another_size_is_extra(start: int, size: int, arrived: int) -> None:
    forged = Counted(start, start + size, arrived)
    spans, extra = window_sizes([*windows(10, 0, 300), forged])
    assert spans == [Span(10, NEVER, FOREVER)]
    assert extra == [Extra(start, start + size, 10)]


def test_a_size_holds_for_all_that_it_has_counted_again() -> None:
    again = windows(1, 50, 95, arrived=1_000)
    spans, extra = window_sizes([*windows(10, 0, 100), *again, *windows(10, 300, 400, arrived=2_000)])
    assert Span(1, 50, 100) in spans
    assert extra == []


def test_windows_that_come_after_all_others_and_reach_less_far_are_extra() -> None:
    forged = windows(5, 100, 150, arrived=1_000)
    spans, extra = window_sizes([*windows(10, 0, 300), *forged])
    assert spans == [Span(10, NEVER, FOREVER)]
    assert [each.start for each in extra] == [each.start for each in forged]


def test_a_hundred_thousand_windows_counted_again_are_regular() -> None:
    assert window_sizes([*windows(10, 0, 1_000_000), *windows(20, 0, 1_000_000, arrived=2_000_000)])[1] == []
