"""How many records of a partition were refused, counted so that it is known for any stretch of offsets.

A receipt says how many records between the first and the last that were counted in a window were refused. So the
partition counts its refusals from its first record on, and a window remembers that count at its first and at its last
record: the difference is the answer, also when the window was written in several partials. A replay can't tell again
which records were late, because that depends on what the watermark was then. The commit therefore contains the count,
and those of the windows that a replay will count again.
"""

from bisect import bisect_left
from collections.abc import Mapping

import msgspec

REASONS = (
    "late",
    "not_json",
    "missing_field",
    "wrong_type",
    "bad_timestamp",
    "not_object",
    "future",
    "expired",
    "too_large",
)
"""In the order of the counts in commits and partials, so a new one is the last; the frequent ones make short counts."""

_POSITIONS = {reason: position for position, reason in enumerate(REASONS)}

MOST_OPEN_BYTES = 2_500
"""Of a commit for its open windows, some 40 of them; Kafka takes 4096 bytes for all of a commit's metadata."""


class Refusals(msgspec.Struct, frozen=True, array_like=True):
    """The records that were refused from offset `since` on, by reason in the order of REASONS."""

    since: int
    counts: tuple[int, ...] = ()

    def plus(self, reason: str) -> "Refusals":
        """Return the count with one more."""
        position = _POSITIONS[reason]
        counts = [*self.counts, *[0] * (position + 1 - len(self.counts))]
        counts[position] += 1
        return Refusals(self.since, tuple(counts))


class OpenWindow(msgspec.Struct, frozen=True, array_like=True):
    """The refusals before the first and before the last record that was counted in the window."""

    window: int
    before_first: Refusals
    before_last: Refusals


class CommittedRefusals(msgspec.Struct, frozen=True):
    """The refusals up to the committed offset, and those of the windows that a replay counts again.

    Of windows that are not in `open` there was no refusal since their first record; it is not known for those from
    `cut_at` on, because there was no room for them.
    """

    total: Refusals
    open: tuple[OpenWindow, ...] = ()
    cut_at: int | None = None


def committed_refusals(total: Refusals, windows: Mapping[int, tuple[Refusals, Refusals]]) -> CommittedRefusals:
    """Return what a commit contains; `windows` are those before the first and the last record of each open window."""
    opened: list[OpenWindow] = []
    size = 0
    for window in sorted(windows):
        before_first, before_last = windows[window]
        if before_first == before_last == total:
            continue
        entry = OpenWindow(window, before_first, before_last)
        size += len(msgspec.json.encode(entry)) + 1
        if size > MOST_OPEN_BYTES:
            return CommittedRefusals(total, tuple(opened), cut_at=window)
        opened.append(entry)
    return CommittedRefusals(total, tuple(opened))


def total_of(committed: CommittedRefusals | None, offset: int) -> Refusals:
    """Return the refusals before the committed `offset`, as far as they are known."""
    return Refusals(since=offset) if committed is None else committed.total


def refusals_of(committed: CommittedRefusals | None, window: int, offset: int) -> tuple[Refusals, Refusals]:
    """Return the refusals before the first and the last record of a window that was restored up to `offset`."""
    if committed is not None:
        for each in committed.open:
            if each.window == window:
                return each.before_first, each.before_last
        if committed.cut_at is None or window < committed.cut_at:
            return committed.total, committed.total
    unknown = Refusals(since=offset)
    return unknown, unknown


def refused_between(first: int, before_first: Refusals, before_last: Refusals) -> dict[str, int] | None:
    """Return how many were refused between a record at offset `first` and a later one, by reason; None if unknown."""
    if before_first.since != before_last.since or before_last.since > first or len(before_last.counts) > len(REASONS):
        return None
    earlier = before_first.counts + (0,) * (len(before_last.counts) - len(before_first.counts))
    pairs = zip(REASONS, before_last.counts, earlier, strict=False)
    return {reason: now - then for reason, now, then in pairs if now > then}


class RefusalCount:
    """The refusals of a partition that is being read; `total` is how many there were so far."""

    def __init__(self, total: Refusals) -> None:
        self.total = total
        self._before = total
        self._offsets: list[int] = []
        self._totals: list[Refusals] = []

    def begin_batch(self) -> None:
        """Forget where the refusals of the last batch were."""
        self._before = self.total
        self._offsets.clear()
        self._totals.clear()

    def refuse(self, offset: int, reason: str) -> None:
        """Count a refused record of this batch."""
        self._note(offset, self.total.plus(reason))

    def leave_out(self, offset: int) -> None:
        """Note a record of which it is not known whether it was refused: the count begins again after it."""
        self._note(offset, Refusals(offset + 1))

    def _note(self, offset: int, total: Refusals) -> None:
        self.total = total
        self._offsets.append(offset)
        self._totals.append(total)

    def before(self, offset: int) -> Refusals:
        """Return how many there were before a record of this batch."""
        refused = bisect_left(self._offsets, offset) if self._offsets else 0
        return self._totals[refused - 1] if refused else self._before
