"""Counting in Rust, by the wheel `clickstream-native`: a record batch becomes counts in one call.

The wheel counts exactly. What it has counted in a window is drained into the window's `WindowCounts` when that is
written, or as soon as a limit is passed, so that the sketches are the same in both implementations.
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
        self._drained: dict[int, WindowCounts] = {}

    def take(self, records: Sequence[Record], bounds: Bounds, judge: Judge) -> Taken:
        highest, ahead, windows, full = self._counter.take(
            records, bounds.end_offset, bounds.over, bounds.behind, bounds.believed_to, judge
        )
        for window in full:
            self._drain(window)
        return Taken(highest, ahead, {window: Stretch(*stretch) for window, *stretch in windows})

    def snapshot(self, window: int, span: Span) -> PartialCounts:
        return self._drain(window).snapshot(span)

    def forget(self, window: int) -> None:
        self._counter.drain(window)
        self._drained.pop(window, None)

    @property
    def approximate_windows(self) -> int:
        return sum(counts.approximate for counts in self._drained.values())

    def _drain(self, window: int) -> WindowCounts:
        counts = self._drained.setdefault(window, WindowCounts(self._exact_limit))
        drained = self._counter.drain(window)
        if drained is not None:
            total, duration, types, devices, referrers, pages, users, sessions = drained
            hashes = array("Q", users), array("Q", sessions)
            counts.add_delta(Delta(total, duration, types, devices, referrers, pages, *hashes))
        return counts
