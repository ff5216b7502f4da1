"""The same records counted natively and by the product's `PythonCounting`: both results in the same shape."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from clickstream_kafka.records import Record
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counting import Bounds, Stretch, Verdict
from clickstream_streams.judging import Judge
from clickstream_streams.python_counting import PythonCounting
from clickstream_streams.refusals import Refusals
from clickstream_streams.spans import Span
from clickstream_streams.windows import NEVER, CountingRules

clickstream_native: Any = pytest.importorskip(
    "clickstream_native", reason="the wheel clickstream-native is not installed: make native"
)

EXACT_LIMIT = 100_000
MOST_BYTES = 64 * 1024 * 1024
FOREVER = 10**16
RULES = CountingRules(30_000, "event", 60_000)
BOUNDS = Bounds(over=NEVER, behind=FOREVER, believed_to=FOREVER, end_offset=2**63 - 1)


@dataclass(frozen=True)
class Case:
    """What decides how records are counted."""

    rules: CountingRules = RULES
    bounds: Bounds = BOUNDS

    def counter(self) -> Any:
        by_arrival = self.rules.window_time == "arrival"
        return clickstream_native.Counter(self.rules.window_size, self.rules.max_clock_skew, by_arrival, EXACT_LIMIT)


@dataclass
class Result:
    """What became of the records: counts by window, each with its span, and what was refused, with its reason."""

    highest: int
    ahead: bool
    spans: dict[int, tuple[int, int, int]]
    refused: list[tuple[Any, ...]]
    counts: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    judged: int = 0


class _Judge:
    """The product's judge, that notes what it refuses."""

    def __init__(self, case: Case) -> None:
        self.refused: list[tuple[Any, ...]] = []
        self.judged = 0
        commit = EventsCommit(rules=case.rules, replay_from=0)
        self._judge = Judge(commit, case.bounds, self._refuse, leave_out=lambda offset: None)

    def __call__(self, record: Record, highest: int, ahead: bool, over: int) -> Verdict:
        self.judged += 1
        return self._judge(record, highest, ahead, over)

    def _refuse(self, record: Record, reason: str, error: str) -> None:
        headers = [tuple(header) for header in record.headers]
        self.refused.append((record.offset, record.timestamp, record.key, record.value, headers, reason, error))


def by_python(batches: Iterable[Sequence[Record]], case: Case, *, each: bool = False) -> Result:
    """Count batch after batch; with `each` the judge decides about every record."""
    counting, judge = PythonCounting(case.rules, EXACT_LIMIT), _Judge(case)

    def take(records: Sequence[Record], over: int) -> tuple[int, bool, Mapping[int, tuple[int, int, int]]]:
        bounds = replace(case.bounds, over=over)
        if not each:
            return counting.take(records, bounds, judge)
        windows: dict[int, Stretch] = {}
        taken = [record for record in records if record.offset < bounds.end_offset]
        highest, ahead, _ = counting._take_each(taken, judge, (NEVER, False, over), windows)
        return highest, ahead, windows

    result = _taken(batches, case, take, judge)
    for window, (_, first, last) in result.spans.items():
        partial = counting.snapshot(window, Span(first, last, Refusals(0), Refusals(0)))
        result.counts[window] = (
            partial.total_events,
            int(partial.duration_sum),
            list(partial.event_types.items()),
            list(partial.devices.items()),
            list(partial.referrers.counts.items()),
            list(partial.pages.counts.items()),
            _hashes(partial.users.hashes),
            _hashes(partial.sessions.hashes),
        )
    return result


def by_native(batches: Iterable[Sequence[Record]], case: Case) -> Result:
    counter, judge = case.counter(), _Judge(case)

    def take(records: Sequence[Record], over: int) -> tuple[int, bool, dict[int, tuple[int, int, int]]]:
        bounds = case.bounds
        highest, ahead, spans, full = counter.take(
            records, bounds.end_offset, over, bounds.behind, bounds.believed_to, judge
        )
        assert not full
        return highest, ahead, {window: (events, first, last) for window, events, first, last in spans}

    result = _taken(batches, case, take, judge)
    for window in result.spans:
        result.counts[window] = drained(counter, window)
        assert counter.drain(window) is None
    return result


def _taken(
    batches: Iterable[Sequence[Record]],
    case: Case,
    take: Callable[[Sequence[Record], int], tuple[int, bool, Mapping[int, tuple[int, int, int]]]],
    judge: _Judge,
) -> Result:
    result, over = Result(NEVER, False, {}, judge.refused), case.bounds.over
    for batch in batches:
        highest, ahead, spans = take(batch, over)
        result.highest, result.ahead = max(result.highest, highest), result.ahead or ahead
        over = max(over, highest - case.bounds.behind)
        for window, (events, first, last) in spans.items():
            before, begin, _ = result.spans.get(window, (0, first, last))
            result.spans[window] = before + events, begin, last
    result.judged = judge.judged
    return result


def drained(counter: Any, window: int) -> tuple[Any, ...]:
    counts = counter.drain(window)
    assert counts is not None
    total, duration, *names, users, sessions = counts
    return total, duration, *[list(each.items()) for each in names], _hashes(users), _hashes(sessions)


def assert_equal(native: Result, python: Result) -> None:
    """Compare all but how many were judged."""
    assert (native.highest, native.ahead) == (python.highest, python.ahead)
    assert native.refused == python.refused
    assert native.spans == python.spans
    assert native.counts == python.counts


def _hashes(packed: bytes) -> set[int]:
    hashes = array("Q")
    hashes.frombytes(packed)
    different = set(hashes)
    assert len(different) == len(hashes)
    return different


def native_batch(batch: bytes, first_offset: int = -(2**63), most_bytes: int = MOST_BYTES) -> Sequence[Record]:
    records: Sequence[Record] = clickstream_native.Batch(batch, 0, len(batch), first_offset, most_bytes)
    return records
