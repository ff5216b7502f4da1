"""Whether a window's last result equals the recount, and if not, whether that is a difference or can't be judged.

Pure: what is known of the window, its receipt and the archive's edges goes in, a verdict comes out. A result that
equals the recount is equal, whatever else is unknown. One that does not is a difference unless something explains it:
events that the archive does not have (before its beginning, in a gap, not archived yet), or results and dead letters
that may still come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from clickstream_archive.comparing import compare
from clickstream_archive.offsets import Cause, Gap
from clickstream_archive.recount import Numbers, Result, Window
from clickstream_archive.standing import Standing
from clickstream_core.errors import MalformedReceipt
from clickstream_core.receipt_checks import result_problems
from clickstream_core.receipts import PartitionReceipt, decode_receipt


class Why(StrEnum):
    """Why a window can't be judged."""

    NOT_OVER = "not over"
    NOT_PROCESSED = "not processed yet"
    NO_LETTERS_YET = "dead letters not archived yet"
    BEFORE_ARCHIVE = "before the archive"
    GAP = "gap in offsets"
    NOT_ARCHIVED = "not archived yet"
    NO_HEADERS = "dead letters without headers"
    NO_RESULT_YET = "before the first result"
    CHANGED = "before a change of WINDOW_SIZE"


@dataclass(frozen=True)
class Verdict:
    """A window with why it can't be judged, or what differs; neither if it is equal."""

    start: int
    end: int
    why: Why | None = None
    differences: tuple[str, ...] = ()
    note: str = ""
    lost: tuple[tuple[int, int, int], ...] = ()
    """Partition, first and last offset of what the result counted and the archive does not have."""

    @property
    def equal(self) -> bool:
        return self.why is None and not self.differences


@dataclass(frozen=True)
class Edges:
    """What the archive has of the events topic and of the group's results. Times are milliseconds since the epoch.

    Events of windows that begin before `complete_from` may lie before the archive's first record. Results of windows
    that end by `settled_to` can't change any more. `first` and `last` are the offsets by partition that the archive has
    or should have, `gaps` those of the events topic, `result_gaps` those of the metrics topic that may hold results.
    """

    complete_from: int
    settled_to: int
    first: Mapping[int, int]
    last: Mapping[int, int]
    gaps: Mapping[int, Sequence[Gap]]
    result_gaps: Sequence[Gap]
    first_result: int
    unnamed_dead_letters: bool
    lost_dead_letters: bool
    changed_at: Sequence[int]
    late_ms: int
    skew_ms: int


@dataclass(frozen=True)
class Share:
    """What a receipt says of a partition, and what the archive has between its offsets.

    `counted` are the events of the window, `refused` the dead letters; `lettered` is whether those are all there.
    """

    receipt: PartitionReceipt
    counted: int
    refused: int
    lettered: bool

    @property
    def lacking(self) -> int:
        """How many of the events that were counted the archive lacks; below 0 it has more."""
        return self.receipt.counted - self.counted

    @property
    def letters_lacking(self) -> int | None:
        """How many dead letters of the records that were refused the archive lacks; None when that is not known."""
        refused = self.receipt.refused
        return None if refused is None else sum(refused.values()) - self.refused


@dataclass(frozen=True)
class Traced:
    """A window that differs, seen through its receipt.

    `shares` are by partition, `within` are the figures of its events between the receipt's offsets, `outside` is the
    standing of those at other offsets: without a receipt, of all events.
    """

    shares: Mapping[int, Share]
    within: Numbers | None
    outside: Standing


Receipt = Mapping[int, PartitionReceipt]
Trace = Callable[[Window, Receipt], Traced]


@dataclass(frozen=True)
class _Case:
    """A window whose figures differ from the recount, and what is known of it."""

    window: Window
    edges: Edges
    differences: tuple[str, ...]
    receipt: Receipt
    trace: Trace

    @cached_property
    def traced(self) -> Traced:
        return self.trace(self.window, self.receipt)

    def unjudged(self, why: Why, note: str = "", lost: Sequence[tuple[int, int, int]] = ()) -> Verdict:
        return Verdict(self.window.start, self.window.end, why, note=note, lost=tuple(lost))

    def different(self, note: str = "", differences: tuple[str, ...] | None = None) -> Verdict:
        found = self.differences if differences is None else differences
        return Verdict(self.window.start, self.window.end, differences=found, note=note)

    @property
    def events_more(self) -> int:
        """How many more events the archive has than the result counts."""
        counted, result = self.window.counted, self.window.result
        return (counted.total_events if counted else 0) - (result.numbers.total_events if result else 0)


def judge(window: Window, edges: Edges, trace: Trace) -> Verdict:
    """Return the verdict; `trace` is asked only when the figures differ, and nothing else explains that."""
    result = window.result
    if result is None:
        events = window.counted.total_events if window.counted else 0
        differences: tuple[str, ...] = (f"there is no result, but the archive has {events} events",)
        return _without_result(_Case(window, edges, differences, {}, trace))
    differences = compare(result, window.counted)
    if not differences:
        return Verdict(window.start, window.end, differences=_contradictions(result))
    receipt = _receipt(result)
    case = _Case(window, edges, differences, receipt or {}, trace)
    return _without_receipt(case) if receipt is None else _with_receipt(case)


def _receipt(result: Result) -> Receipt | None:
    if result.receipt is None:
        return None
    try:
        return decode_receipt(result.receipt.encode())
    except MalformedReceipt:
        return None


def _contradictions(result: Result) -> tuple[str, ...]:
    """What in the receipt of a result with the right figures contradicts itself or them."""
    if result.receipt is None:
        return ()
    receipt = _receipt(result)
    if receipt is None:
        return ("its receipt can't be read",)
    return tuple(result_problems(result.numbers.total_events, receipt))


def _without_result(case: _Case) -> Verdict:
    window, edges = case.window, case.edges
    if window.end > edges.settled_to:
        return case.unjudged(Why.NOT_OVER)
    if window.start < edges.first_result:
        return case.unjudged(Why.NO_RESULT_YET)
    if _lost_result(case):
        return case.unjudged(Why.GAP, "its result may be among the missing offsets of the metrics topic")
    if edges.unnamed_dead_letters:
        return _unnamed(case)
    if not case.traced.outside.settled:
        return _unsettled(case)
    return case.different()


def _without_receipt(case: _Case) -> Verdict:
    window, edges = case.window, case.edges
    if edges.unnamed_dead_letters:
        return _unnamed(case)
    if window.start < edges.complete_from:
        return case.unjudged(Why.BEFORE_ARCHIVE)
    if gap := _touching(case):
        return case.unjudged(Why.GAP, _named_gap(*gap))
    if window.end > edges.settled_to:
        return case.unjudged(Why.NOT_OVER)
    if 0 < case.events_more <= case.traced.outside.total - case.traced.outside.settled:
        return _unsettled(case)
    if case.events_more > 0 and _cut_short(case):
        return case.unjudged(Why.CHANGED)
    if _lost_result(case):
        return _revised(case)
    return case.different()


def _with_receipt(case: _Case) -> Verdict:
    """The first of these that has something to say: each takes for granted that those before it found nothing."""
    return (
        _offsets_not_archived(case)
        or _fewer_events(case)
        or _more_events_inside(case)
        or _wrong_figures(case)
        or _more_events_outside(case)
    )


def _offsets_not_archived(case: _Case) -> Verdict | None:
    for partition, share in sorted(case.traced.shares.items()):
        first, last = share.receipt.first, share.receipt.last
        if partition not in case.edges.last:
            return case.unjudged(Why.NOT_ARCHIVED, f"nothing of partition {partition} is archived")
        if first < case.edges.first[partition]:
            return case.unjudged(Why.BEFORE_ARCHIVE, f"partition {partition} begins later in the archive")
        if last > case.edges.last[partition]:
            return case.unjudged(Why.NOT_ARCHIVED, f"offset {last} of partition {partition} is not archived")
    return None


def _fewer_events(case: _Case) -> Verdict | None:
    """The archive lacks events that the result counts: in gaps that have room for them, or it is a difference."""
    notes: list[str] = []
    lost: list[tuple[int, int, int]] = []
    explained = True
    for partition, share in sorted(case.traced.shares.items()):
        if share.lacking <= 0:
            continue
        gaps = [each for each in (_within(gap, share.receipt) for gap in _lost(case.edges, partition)) if each]
        room = sum(each.offsets for each in gaps)
        explained = explained and share.lacking <= room
        if share.lacking == room:
            lost += [(partition, each.first, each.last) for each in gaps]
        names = "; ".join(_named_gap(partition, each) for each in gaps)
        notes.append(f"{_archived(partition, share)}{f' ({names})' if names else ''}")
    if not notes:
        return None
    if not explained:
        return case.different("; ".join(notes))
    inside = _more_events_inside(case)
    return inside if inside and inside.differences else case.unjudged(Why.GAP, "; ".join(notes), lost)


def _more_events_inside(case: _Case) -> Verdict | None:
    """Between the receipt's offsets the archive has events that the result does not count: they were refused, then."""
    more = {partition: each for partition, each in sorted(case.traced.shares.items()) if each.lacking < 0}
    if not more:
        return None
    if letters := _no_letters(case):
        return letters
    late = all(
        not each.lettered and (each.letters_lacking is None or each.letters_lacking >= -each.lacking)
        for each in more.values()
    )
    notes = "; ".join(_archived(partition, each) for partition, each in more.items())
    return case.unjudged(Why.NO_LETTERS_YET, notes) if late else case.different(notes)


def _wrong_figures(case: _Case) -> Verdict | None:
    """The archive has the events that the receipt names, and their figures are not those of the result."""
    assert case.window.result is not None
    within, counted = case.traced.within, sum(each.receipt.counted for each in case.traced.shares.values())
    if within is None or not case.traced.outside.total or counted != case.window.result.numbers.total_events:
        return case.different(f"its receipt says {counted} events, and the archive has those" if within else "")
    if differences := compare(case.window.result, within):
        return case.different("among the events that its receipt names", differences)
    return None


def _more_events_outside(case: _Case) -> Verdict:
    """The result is right for the events that its receipt names, but there are more: refused, or for a revision."""
    outside = case.traced.outside
    names = ", ".join(f"partition {partition} offset {offset}" for partition, offset in outside.named)
    events = "event" if outside.total == 1 else "events"
    more = f"{outside.total} more {events}: {names}{' …' if outside.total > len(outside.named) else ''}"
    if letters := _no_letters(case):
        return letters
    if case.window.end > case.edges.settled_to:
        return case.unjudged(Why.NOT_OVER, more)
    if not outside.settled:
        return _unsettled(case, more)
    if _cut_short(case):
        return case.unjudged(Why.CHANGED, more)
    if any(_may_hold(each, case) for each in case.edges.result_gaps):
        return _revised(case, f": {more}")
    return case.different(f"there are {more}")


def _unsettled(case: _Case, note: str = "") -> Verdict:
    """Events of the window may still change its result, or become dead letters."""
    return case.unjudged(Why.NOT_PROCESSED if case.traced.outside.unprocessed else Why.NO_LETTERS_YET, note)


def _revised(case: _Case, more: str = "") -> Verdict:
    return case.unjudged(Why.GAP, f"a later revision may be among the missing offsets of the metrics topic{more}")


def _no_letters(case: _Case) -> Verdict | None:
    """The verdict on a window with too many events where the archive does not show which records were refused."""
    if case.edges.lost_dead_letters:
        return case.unjudged(Why.GAP, "dead letters are missing, so refused records may be among the recounted")
    return _unnamed(case) if case.edges.unnamed_dead_letters else None


def _unnamed(case: _Case) -> Verdict:
    return case.unjudged(Why.NO_HEADERS, "dead letters don't say which records were refused")


def _cut_short(case: _Case) -> bool:
    """Whether the size was changed while events of the window could still come: they are in no result."""
    return any(at - case.edges.late_ms < case.window.end <= at for at in case.edges.changed_at)


def _lost_result(case: _Case) -> bool:
    return any(each.cause is Cause.MISSING and _may_hold(each, case) for each in case.edges.result_gaps)


def _touching(case: _Case) -> tuple[int, Gap] | None:
    """A gap of which the lost records may belong to the window."""
    for partition in case.edges.gaps:
        for each in _lost(case.edges, partition):
            if _may_hold(each, case):
                return partition, each
    return None


def _lost(edges: Edges, partition: int) -> list[Gap]:
    return [each for each in edges.gaps.get(partition, ()) if each.cause in (Cause.MISSING, Cause.UNKNOWN)]


def _within(gap: Gap, receipt: PartitionReceipt) -> Gap | None:
    """The part of the gap between the receipt's offsets."""
    first, last = max(gap.first, receipt.first), min(gap.last, receipt.last)
    return gap.part(first, last, gap.cause) if first <= last else None


def _may_hold(gap: Gap, case: _Case) -> bool:
    """Whether a record that arrived in the gap's time may be of the window, or its result."""
    window, edges = case.window, case.edges
    after = gap.until is None or gap.until >= window.start - edges.skew_ms
    return after and (gap.since is None or gap.since <= window.end + edges.late_ms + (window.end - window.start))


def _archived(partition: int, share: Share) -> str:
    receipt = share.receipt
    words = (
        f"of partition {partition} it counted {receipt.counted} records of offsets {receipt.first} to {receipt.last},"
        f" the archive has {share.counted}"
    )
    if share.lacking < 0 and share.letters_lacking:
        refused = sum((receipt.refused or {}).values())
        words += f"; {refused} were refused, the archive has {share.refused} dead letters of them"
    return words


def _named_gap(partition: int, gap: Gap) -> str:
    offsets = f"offset {gap.first}" if gap.first == gap.last else f"offsets {gap.first} to {gap.last}"
    words = {Cause.MISSING: "missing", Cause.UNKNOWN: "unknown"}.get(gap.cause, "not records")
    return f"partition {partition}, {offsets}: {words}"
