"""Counting in Rust, by the wheel `clickstream-native`: a record batch becomes counts in one call.

The wheel counts exactly. What it has counted in a window is drained when the window is written, and as soon as a limit
is passed: then, or if more is counted after that, a `WindowCounts` takes it over, so that the sketches are the same in
both implementations.
"""

from array import array
from collections.abc import Sequence
from typing import Any

import clickstream_native as native
from clickstream_kafka.errors import BatchTooLarge
from clickstream_kafka.patches.bounded_unpacking import MOST_UNPACKED_BYTES
from clickstream_kafka.records import Record
from clickstream_streams.counting import Bounds, Judge, Stretch, Taken
from clickstream_streams.counts import Delta, PartialCounts, WindowCounts
from clickstream_streams.spans import Span
from clickstream_streams.windows import CountingRules


def unpack(fetched: bytes, start: int, end: int, first_offset: int) -> Sequence[Any]:
    """Return the records of the batch fetched[start:end] from `first_offset` on, unpacked and checked by the wheel.

    Raises BatchTooLarge and, for what can't be read, ValueError.
    """
    try:
        return native.Batch(fetched, start, end, first_offset, MOST_UNPACKED_BYTES)
    except native.TooLarge as error:
        raise BatchTooLarge(MOST_UNPACKED_BYTES) from error


class NativeCounting:
    """The counts of one partition's windows; see `counting.Counting`."""

    def __init__(self, rules: CountingRules, exact_limit: int) -> None:
        by_arrival = rules.window_time == "arrival"
        self._counter = native.Counter(rules.window_size, rules.max_clock_skew, by_arrival, exact_limit)
        self._exact_limit = exact_limit
        self._drained: dict[int, Delta | WindowCounts] = {}

    def take(self, records: Sequence[Record], bounds: Bounds, judge: Judge) -> Taken:
        highest, ahead, windows, full = self._counter.take(
            records, bounds.end_offset, bounds.over, bounds.behind, bounds.believed_to, judge
        )
        for window in full:
            self._take_over(window)
        return Taken(highest, ahead, {window: Stretch(*stretch) for window, *stretch in windows})

    def snapshot(self, window: int, span: Span) -> PartialCounts:
        if window in self._drained:
            return self._take_over(window).snapshot(span)
        delta = self._drain(window)
        assert delta is not None, "a window exists because an event was counted in it"
        self._drained[window] = delta
        return delta.snapshot(span)

    def forget(self, window: int) -> None:
        self._counter.drain(window)
        self._drained.pop(window, None)

    @property
    def approximate_windows(self) -> int:
        return sum(isinstance(each, WindowCounts) and each.approximate for each in self._drained.values())

    def _take_over(self, window: int) -> Delta | WindowCounts:
        """Return all that was counted in the window, and more than one drained part as one WindowCounts."""
        before, delta = self._drained.get(window), self._drain(window)
        if before is not None and delta is None:
            return before
        counts = before if isinstance(before, WindowCounts) else WindowCounts(self._exact_limit)
        for part in (before, delta):
            if isinstance(part, Delta):
                counts.add_delta(part)
        self._drained[window] = counts
        return counts

    def _drain(self, window: int) -> Delta | None:
        drained = self._counter.drain(window)
        if drained is None:
            return None
        total, duration, types, devices, referrers, pages, users, sessions = drained
        return Delta(total, duration, types, devices, referrers, pages, array("Q", users), array("Q", sessions))
