"""Counting in Python: whole batches as columns where that is possible (`columns`), else record by record."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from clickstream_core.events import CountedEvent
from clickstream_core.timestamps import FIRST_MS, LAST_MS
from clickstream_kafka.records import Record
from clickstream_streams.columns import Columns, columns_of
from clickstream_streams.counting import Bounds, Judge, Stretch, Taken
from clickstream_streams.counts import MOST_AT_ONCE, PartialCounts, WindowCounts
from clickstream_streams.spans import Span
from clickstream_streams.windows import NEVER, CountingRules


class PythonCounting:
    """The counts of one partition's windows; see `counting.Counting`."""

    def __init__(self, rules: CountingRules, exact_limit: int) -> None:
        self._rules = rules
        self._exact_limit = exact_limit
        self._windows: dict[int, WindowCounts] = {}

    def take(self, records: Sequence[Record], bounds: Bounds, judge: Judge) -> Taken:
        if records and records[-1].offset >= bounds.end_offset:
            records = records[: bisect_left(records, bounds.end_offset, key=lambda record: record.offset)]
        highest, ahead, over = NEVER, False, bounds.over
        stretches: dict[int, Stretch] = {}
        for first in range(0, len(records), MOST_AT_ONCE):
            chunk = records[first : first + MOST_AT_ONCE]
            columns = columns_of(chunk, self._rules, bounds.believed_to)
            if columns is not None and self._takes_all(columns, max(over, columns.highest - bounds.behind)):
                highest, ahead = max(highest, columns.highest), ahead or columns.ahead
                over = max(over, highest - bounds.behind)
                self._count(columns.windows, columns.offsets, stretches)
            else:
                highest, ahead, over = self._take_each(chunk, judge, (highest, ahead, over), stretches)
        return Taken(highest, ahead, stretches)

    def snapshot(self, window: int, span: Span) -> PartialCounts:
        return self._windows[window].snapshot(span)

    def forget(self, window: int) -> None:
        self._windows.pop(window, None)

    @property
    def approximate_windows(self) -> int:
        return sum(counts.approximate for counts in self._windows.values())

    def _takes_all(self, columns: Columns, over: int) -> bool:
        """Whether every window of the batch is still counted in, and can be written as a timestamp."""
        first, last = self._rules.window_of(columns.earliest), self._rules.window_of(columns.latest)
        return self._rules.end_of(first) > over and first >= FIRST_MS and self._rules.end_of(last) < LAST_MS

    def _take_each(
        self, records: Sequence[Record], judge: Judge, state: tuple[int, bool, int], stretches: dict[int, Stretch]
    ) -> tuple[int, bool, int]:
        """Take what may hold a record that is refused, one by one; return the state after it."""
        highest, ahead, over = state
        taken: dict[int, list[CountedEvent]] = {}
        offsets: dict[int, tuple[int, int]] = {}
        for record in records:
            highest, ahead, over, window, event = judge(record, highest, ahead, over)
            if event is None:
                continue
            if window in taken:
                taken[window].append(event)
                offsets[window] = offsets[window][0], record.offset
            else:
                taken[window] = [event]
                offsets[window] = record.offset, record.offset
        self._count(taken, offsets, stretches)
        return highest, ahead, over

    def _count(
        self,
        windows: Mapping[int, Sequence[CountedEvent]],
        offsets: Mapping[int, tuple[int, int]],
        stretches: dict[int, Stretch],
    ) -> None:
        for window, events in windows.items():
            if window not in self._windows:
                self._windows[window] = WindowCounts(self._exact_limit)
            self._windows[window].add(events)
            first, last = offsets[window]
            before = stretches.get(window)
            stretches[window] = (
                Stretch(len(events), first, last)
                if before is None
                else Stretch(before.events + len(events), before.first, last)
            )
