"""Whether a window's last result equals the recount, and if not, whether that is a difference or can't be judged.

Pure: what is known of the window, its receipt and the archive's edges goes in, a verdict comes out. A result that
equals the recount is equal, whatever else is unknown. One that does not is a difference unless something explains it:
events that the archive does not have (before its beginning, in a gap, not archived yet), or results and dead letters
that may still come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from clickstream_archive.offsets import Cause, Gap
from clickstream_archive.recount import FIELDS, Named, Numbers, Result, Window
from clickstream_core.errors import MalformedReceipt
from clickstream_core.receipt_checks import result_problems
from clickstream_core.receipts import PartitionReceipt, decode_receipt

_SKETCH_SHARE = 0.04
"""Twice what a sketch of distinct ids is off by at most in 95 of 100 cases, so practically never exceeded."""

_DISTINCT = ("unique_users", "unique_sessions")

_NAMES_SHARE = 0.0011
"""What a count by name is off by at most, of all events, once names were too many to be counted exactly."""


class Why(StrEnum):
    """Why a window can't be judged."""

    NOT_OVER = "not over"
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
    that end by `settled_to` can't change any more. Records that arrived after `pending_from` may still become dead
    letters. `first` and `last` are the offsets by partition, `gaps` those of the events topic, `result_gaps` those of
    the metrics topic that may have held results.
    """

    complete_from: int
    settled_to: int
    pending_from: int
    first: Mapping[int, int]
    last: Mapping[int, int]
    gaps: Mapping[int, Sequence[Gap]] = field(default_factory=dict)
    result_gaps: Sequence[Gap] = ()
    first_result: int = 0
    unnamed_dead_letters: bool = False
    lost_dead_letters: bool = False
    changed_at: Sequence[int] = ()
    late_ms: int = 66_000
    skew_ms: int = 60_000


@dataclass(frozen=True)
class Traced:
    """A window that differs, seen through its receipt.

    `inside` is how many of its events each partition has between the receipt's offsets, `within` are their figures, and
    `outside` the events at other offsets: partition, offset, and when it arrived.
    """

    receipt: Mapping[int, PartitionReceipt]
    inside: Mapping[int, int]
    within: Numbers | None
    outside: Sequence[tuple[int, int, int]]


Trace = Callable[[Window, Mapping[int, PartitionReceipt]], Traced]


def judge(window: Window, edges: Edges, trace: Trace) -> Verdict:
    """Return the verdict; `trace` is asked only when the figures differ and there is a receipt."""
    result, counted = window.result, window.counted
    if result is None:
        return _without_result(window, edges)
    differences = compare(result, counted)
    if not differences:
        return _receipt_verdict(window, result)
    receipt = _receipt(result)
    if receipt is not None:
        return _judge_with_receipt(window, edges, differences, trace(window, receipt))
    if edges.unnamed_dead_letters:
        return _unnamed(window)
    if window.start < edges.complete_from:
        return _unjudged(window, Why.BEFORE_ARCHIVE)
    if gap := _touching(window, edges):
        return _unjudged(window, Why.GAP, _named_gap(*gap))
    if window.end > edges.settled_to:
        return _unjudged(window, Why.NOT_OVER)
    if _cut_short(window, edges):
        return _unjudged(window, Why.CHANGED)
    if any(each.cause is Cause.MISSING and _may_hold(each, window, edges) for each in edges.result_gaps):
        return _revised(window)
    return Verdict(window.start, window.end, differences=differences)


def compare(result: Result, counted: Numbers | None) -> tuple[str, ...]:
    """Return each figure that differs, in words. Those of a sketch may differ by its error."""
    if counted is None:
        return (f"total_events is {result.numbers.total_events}, recounted 0",)
    found = []
    for name in FIELDS:
        had, recounted = getattr(result.numbers, name), getattr(counted, name)
        if had == recounted or (result.approximate and _close(name, had, recounted, counted.total_events)):
            continue
        found += _named_differences(name, had, recounted) if isinstance(had, tuple) else [_words(name, had, recounted)]
    return tuple(found)


def _words(name: str, had: object, recounted: object) -> str:
    return f"{name} is {had}, recounted {recounted}"


def _named_differences(name: str, had: Named, recounted: Named) -> list[str]:
    before, after = dict(had), dict(recounted)
    found = [
        _words(f"{name}[{key}]", before.get(key, "not there"), after.get(key, "not there"))
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    ]
    return found or [f"{name} is ordered {', '.join(before)}, recounted {', '.join(after)}"]


def _close(name: str, had: object, recounted: object, total: int) -> bool:
    """Whether they may be a sketch's: of distinct ids, or of counts by name, which may lack a rare name."""
    if name in _DISTINCT and isinstance(had, int) and isinstance(recounted, int):
        return abs(had - recounted) <= _SKETCH_SHARE * max(recounted, 1)
    if isinstance(had, tuple) and isinstance(recounted, tuple) and len(had) <= len(recounted):
        counts, most = dict(recounted), _NAMES_SHARE * total
        smallest = min(counts.values(), default=0)
        rare = len(had) == len(recounted) or smallest <= most
        return rare and all(abs(count - counts.get(each, smallest)) <= most for each, count in had)
    return False


def _receipt(result: Result) -> dict[int, PartitionReceipt] | None:
    if result.receipt is None:
        return None
    try:
        return decode_receipt(result.receipt.encode())
    except MalformedReceipt:
        return None


def _receipt_verdict(window: Window, result: Result) -> Verdict:
    """A result whose figures are equal, but whose receipt contradicts them, is a difference."""
    if result.receipt is not None:
        receipt = _receipt(result)
        if receipt is None:
            return Verdict(window.start, window.end, differences=("its receipt can't be read",))
        problems = result_problems(result.numbers.total_events, receipt)
        return Verdict(window.start, window.end, differences=tuple(problems))
    return Verdict(window.start, window.end)


def _without_result(window: Window, edges: Edges) -> Verdict:
    events = window.counted.total_events if window.counted is not None else 0
    if window.end > edges.settled_to:
        return _unjudged(window, Why.NOT_OVER)
    if window.start < edges.first_result:
        return _unjudged(window, Why.NO_RESULT_YET)
    if any(each.cause is Cause.MISSING and _may_hold(each, window, edges) for each in edges.result_gaps):
        return _unjudged(window, Why.GAP, "its result may be among the missing offsets of the metrics topic")
    if edges.unnamed_dead_letters:
        return _unnamed(window)
    return Verdict(window.start, window.end, differences=(f"there is no result, but the archive has {events} events",))


def _judge_with_receipt(window: Window, edges: Edges, differences: tuple[str, ...], traced: Traced) -> Verdict:
    lacking: list[str] = []
    gone: list[tuple[int, int, int]] = []
    explained = True
    for partition, share in sorted(traced.receipt.items()):
        if share.first < edges.first.get(partition, share.last + 1):
            return _unjudged(window, Why.BEFORE_ARCHIVE, f"partition {partition} begins later in the archive")
        if share.last > edges.last.get(partition, -1):
            return _unjudged(window, Why.NOT_ARCHIVED, f"offset {share.last} of partition {partition} is not archived")
        found = traced.inside.get(partition, 0)
        if found == share.counted:
            continue
        lost = [each for each in _lost(edges, partition) if each.first <= share.last and each.last >= share.first]
        room = sum(min(each.last, share.last) - max(each.first, share.first) + 1 for each in lost)
        explained = explained and 0 < share.counted - found <= room
        if share.counted - found == room:
            gone += [(partition, max(each.first, share.first), min(each.last, share.last)) for each in lost]
        names = "; ".join(_named_gap(partition, each) for each in lost)
        lacking.append(
            f"of partition {partition} it counted {share.counted} records of offsets {share.first} to {share.last}, the"
            f" archive has {found}{f' ({names})' if names else ''}"
        )
    if lacking and explained:
        return Verdict(window.start, window.end, Why.GAP, note="; ".join(lacking), lost=tuple(gone))
    refused = _refused_among_recounted(window, edges)
    if lacking:
        if refused and all(traced.inside.get(number, 0) >= each.counted for number, each in traced.receipt.items()):
            return refused
        return Verdict(window.start, window.end, differences=differences, note="; ".join(lacking))
    outside = "; ".join(f"partition {number} offset {offset}" for number, offset, _ in traced.outside[:3])
    counted = sum(each.counted for each in traced.receipt.values())
    if traced.within is None or not traced.outside or counted != _result(window).numbers.total_events:
        note = f"its receipt says {counted} events, and the archive has those" if traced.within else ""
        return Verdict(window.start, window.end, differences=differences, note=note)
    inner = compare(_result(window), traced.within)
    if inner:
        return Verdict(window.start, window.end, differences=inner, note="among the events that its receipt names")
    if refused:
        return refused
    if window.end > edges.settled_to or all(at >= edges.pending_from for _, _, at in traced.outside):
        return _unjudged(window, Why.NOT_OVER, f"{len(traced.outside)} more events: {outside}")
    if _cut_short(window, edges):
        return _unjudged(window, Why.CHANGED, f"{len(traced.outside)} more events: {outside}")
    if any(_may_hold(each, window, edges) for each in edges.result_gaps):
        return _revised(window, f": {len(traced.outside)} more events: {outside}")
    note = f"events that it does not count: {outside}{' …' if len(traced.outside) > 3 else ''}"
    return Verdict(window.start, window.end, differences=differences, note=note)


def _revised(window: Window, more: str = "") -> Verdict:
    return _unjudged(window, Why.GAP, f"a later revision may be among the missing offsets of the metrics topic{more}")


def _refused_among_recounted(window: Window, edges: Edges) -> Verdict | None:
    """The verdict on a window with too many events where the archive does not show which records were refused."""
    if edges.lost_dead_letters:
        return _unjudged(window, Why.GAP, "dead letters are missing, so refused records may be among the recounted")
    return _unnamed(window) if edges.unnamed_dead_letters else None


def _unnamed(window: Window) -> Verdict:
    return _unjudged(window, Why.NO_HEADERS, "dead letters don't say which records were refused")


def _result(window: Window) -> Result:
    assert window.result is not None
    return window.result


def _cut_short(window: Window, edges: Edges) -> bool:
    """Whether the size was changed while events of the window could still come: they are in no result."""
    return any(at - edges.late_ms < window.end <= at for at in edges.changed_at)


def _touching(window: Window, edges: Edges) -> tuple[int, Gap] | None:
    """A gap of which the lost records may belong to the window."""
    for partition in edges.gaps:
        for each in _lost(edges, partition):
            if _may_hold(each, window, edges):
                return partition, each
    return None


def _lost(edges: Edges, partition: int) -> list[Gap]:
    return [each for each in edges.gaps.get(partition, ()) if each.cause in (Cause.MISSING, Cause.UNKNOWN)]


def _may_hold(gap: Gap, window: Window, edges: Edges) -> bool:
    """Whether a record that arrived in the gap's time may be of the window, or its result."""
    after = gap.until is None or gap.until >= window.start - edges.skew_ms
    return after and (gap.since is None or gap.since <= window.end + edges.late_ms + (window.end - window.start))


def _named_gap(partition: int, gap: Gap) -> str:
    offsets = f"offset {gap.first}" if gap.first == gap.last else f"offsets {gap.first} to {gap.last}"
    words = {Cause.MISSING: "missing", Cause.UNKNOWN: "unknown"}.get(gap.cause, "not records")
    return f"partition {partition}, {offsets}: {words}"


def _unjudged(window: Window, why: Why, note: str = "") -> Verdict:
    return Verdict(window.start, window.end, why, note=note)
