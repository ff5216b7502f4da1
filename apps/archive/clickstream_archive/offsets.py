"""Which offsets of a topic partition are there: first and last, gaps, and doubled ones, as ranges.

A gap says nothing by itself: a transaction leaves a marker at an offset of its own, and records of aborted ones are not
to be read. So each gap is explained by the topic where that still holds it (`topic_log`), else it is unknown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Cause(StrEnum):
    """Why offsets are not there."""

    MARKERS = "markers"
    """Transaction markers, which are no records, as the topic shows."""

    ABORTED = "aborted"
    """Records of transactions that were aborted, as the topic shows."""

    MISSING = "missing"
    """Records that are in the topic, or were in a file that was deleted, or were counted by a result."""

    UNKNOWN = "unknown"
    """The topic no longer holds these offsets, or can't be asked."""


@dataclass(frozen=True)
class Gap:
    """Offsets from `first` to `last` that are not there.

    `since` and `until` are the record timestamps on both sides, in milliseconds since the epoch, None at an end.
    """

    first: int
    last: int
    since: int | None
    until: int | None
    cause: Cause = Cause.UNKNOWN
    why: str = ""

    @property
    def offsets(self) -> int:
        return self.last - self.first + 1

    def part(self, first: int, last: int, cause: Cause, why: str = "") -> "Gap":
        """Return the part of the gap from `first` to `last`, with its cause."""
        return replace(self, first=first, last=last, cause=cause, why=why)


@dataclass(frozen=True)
class Doubled:
    """Offsets from `first` to `last` that are there more than once; whether with the same record timestamps."""

    first: int
    last: int
    alike: bool = True


@dataclass
class PartitionOffsets:
    """What is there of a topic partition. `begins_at` and `ends_at` are the topic's bounds where it can be asked."""

    topic: str
    partition: int
    first: int
    last: int
    rows: int
    gaps: list[Gap] = field(default_factory=list)
    doubled: list[Doubled] = field(default_factory=list)
    begins_at: int | None = None
    ends_at: int | None = None
    last_at: int | None = None
    """The timestamp of the last record, in milliseconds since the epoch."""

    @property
    def covered_to(self) -> int:
        """The last offset of which something is known: of a record, or of a gap behind the last one."""
        return max([self.last, *(each.last for each in self.gaps)])

    def total(self, cause: Cause) -> int:
        """Return how many offsets are missing for this cause."""
        return sum(each.offsets for each in self.gaps if each.cause is cause)

    def mark(self, first: int, last: int, why: str) -> None:
        """Note that records at unknown offsets from `first` to `last` are missing, and how that is known."""
        gaps: list[Gap] = []
        for each in self.gaps:
            low, high = max(each.first, first), min(each.last, last)
            if each.cause is not Cause.UNKNOWN or low > high:
                gaps.append(each)
                continue
            if each.first < low:
                gaps.append(each.part(each.first, low - 1, Cause.UNKNOWN))
            gaps.append(each.part(low, high, Cause.MISSING, why))
            if high < each.last:
                gaps.append(each.part(high + 1, each.last, Cause.UNKNOWN))
        self.gaps = gaps

    @property
    def doubled_offsets(self) -> int:
        return sum(each.last - each.first + 1 for each in self.doubled)

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing or doubled."""
        return not self.doubled and not self.total(Cause.MISSING)


def classified(gap: Gap, readable: Sequence[int], aborted: Sequence[int]) -> Iterator[Gap]:
    """Yield the gap in parts: readable offsets are missing, those of aborted records are aborted, the rest is markers.

    Both sequences are in ascending order; offsets outside the gap are ignored.
    """
    causes = {offset: Cause.ABORTED for offset in aborted if gap.first <= offset <= gap.last}
    causes |= {offset: Cause.MISSING for offset in readable if gap.first <= offset <= gap.last}
    position = gap.first
    for first, last, cause in _runs(sorted(causes.items())):
        if position < first:
            yield gap.part(position, first - 1, Cause.MARKERS)
        yield gap.part(first, last, cause, "the topic has them" if cause is Cause.MISSING else "")
        position = last + 1
    if position <= gap.last:
        yield gap.part(position, gap.last, Cause.MARKERS)


def _runs(causes: Sequence[tuple[int, Cause]]) -> Iterator[tuple[int, int, Cause]]:
    """Yield runs of consecutive offsets with the same cause: first, last, cause."""
    run: tuple[int, int, Cause] | None = None
    for offset, cause in causes:
        if run is not None and run[1] + 1 == offset and run[2] is cause:
            run = run[0], offset, cause
            continue
        if run is not None:
            yield run
        run = offset, offset, cause
    if run is not None:
        yield run
