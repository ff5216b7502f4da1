"""Which window sizes a group counted by and when, and which of its results are of no size that it counted by.

A group counts by one size at a time. Its windows don't overlap those of the size before, unless `clickstream-streams
reset` made it count events again. Then all windows of the one size came before those of the other, and the later ones
reach as far as the earlier ones did, where there are events. Windows that overlap others in any other way count events
that are in regular results already: they are `extra`, whatever their figures.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from clickstream_archive.moments import FOREVER, NEVER


@dataclass(frozen=True, order=True)
class Counted:
    """A window with a result, and when its last result arrived, in milliseconds since the epoch."""

    start: int
    end: int
    arrived: int

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Span:
    """The group counted by this size in windows that begin in [since, until)."""

    size: int
    since: int
    until: int


@dataclass(frozen=True)
class Extra:
    """A window whose events are in windows of the regular size too."""

    start: int
    end: int
    regular_size: int


class Sizes(NamedTuple):
    """When which size held, and the extra windows."""

    spans: list[Span]
    extra: list[Extra]

    @property
    def changed_at(self) -> list[int]:
        """When a size was given up."""
        return [each.until for each in self.spans if each.until < FOREVER]


def window_sizes(windows: Sequence[Counted]) -> Sizes:
    """Return the sizes of these windows, of which those without a size of their own or not aligned to it are ignored.

    The first size holds since ever, because that of the time before is unknown, and the last one for ever. Two sizes
    can hold for the same time, when events were counted again.
    """
    regular = sorted(each for each in windows if each.size > 0 and each.start % each.size == 0)
    extra: list[Extra] = []
    while found := list(_extra(regular)):
        extra += found
        gone = {(each.start, each.end) for each in found}
        regular = [each for each in regular if (each.start, each.end) not in gone]
    runs = _runs(regular)
    spans = [Span(run[0].size, run[0].start, max(run[-1].end, _reached_before(run, runs))) for run in runs]
    first = min((each.since for each in spans), default=NEVER)
    last = max((each.until for each in spans), default=FOREVER)
    held = [
        Span(
            each.size,
            NEVER if each.since == first else each.since,
            FOREVER if each.until == last else each.until,
        )
        for each in spans
    ]
    return Sizes(held, extra)


def _runs(windows: Sequence[Counted]) -> list[Sequence[Counted]]:
    """The windows of each size in runs: one ends where the size has no windows for a while, but another has."""
    starts = [each.start for each in windows]
    by_size: dict[int, list[Counted]] = {}
    for each in windows:
        by_size.setdefault(each.size, []).append(each)
    runs: list[Sequence[Counted]] = []
    for of_size in by_size.values():
        first = 0
        for place in range(1, len(of_size)):
            before, here = of_size[place - 1].end, of_size[place].start
            if bisect_left(starts, before) < bisect_left(starts, here):
                runs.append(of_size[first:place])
                first = place
        runs.append(of_size[first:])
    return runs


def _extra(windows: Sequence[Counted]) -> Iterator[Extra]:
    runs = sorted(_runs(windows), key=lambda run: (len(run), -run[0].arrived))
    found: set[int] = set()
    for small, large in combinations(range(len(runs)), 2):
        if small in found or runs[small][0].size == runs[large][0].size:
            continue
        overlapping, overlapped = _overlap(runs[small], runs[large])
        if overlapping and not _counted_again(overlapping, runs[large], overlapped):
            found.add(small)
            yield from (Extra(each.start, each.end, runs[large][0].size) for each in overlapping)


def _overlap(some: Sequence[Counted], others: Sequence[Counted]) -> tuple[list[Counted], list[Counted]]:
    """The windows of each run that overlap windows of the other one."""
    return list(_overlapping(some, others)), list(_overlapping(others, some))


def _overlapping(run: Sequence[Counted], other: Sequence[Counted]) -> Iterator[Counted]:
    starts = [each.start for each in other]
    size = other[0].size
    for each in run[bisect_right(run, other[0].start - run[0].size, key=lambda window: window.start) :]:
        if each.start >= other[-1].end:
            return
        # Windows of a run don't overlap one another: the last one that begins before this ends is the only candidate.
        place = bisect_left(starts, each.end) - 1
        if place >= 0 and starts[place] + size > each.start:
            yield each


def _counted_again(some: Sequence[Counted], other: Sequence[Counted], overlapped: Sequence[Counted]) -> bool:
    """Whether these windows or those that they overlap came after the others, and counted their events again."""
    first, last = min(each.arrived for each in some), max(each.arrived for each in some)
    before = [each for each in other if each.arrived < first]
    if all(each.arrived < first for each in overlapped):
        return some[-1].end + some[0].size > max(each.start for each in before)
    return not before and all(each.arrived > last for each in overlapped)


def _reached_before(run: Sequence[Counted], runs: Sequence[Sequence[Counted]]) -> int:
    """How far the windows reached that the run has counted again: it must reach as far, where there are events."""
    first = min(each.arrived for each in run)
    return max(
        (
            each.end
            for other in runs
            if other[0].size != run[0].size and any(_overlapping(other, run))
            for each in other
            if each.arrived < first
        ),
        default=NEVER,
    )
