"""The same records counted natively and by the product's `Partition`, one by one: both results in the same shape."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from clickstream_core.events import CountedEvent
from clickstream_kafka.records import Record
from clickstream_streams.commits import EventsCommit
from clickstream_streams.partition import Partition
from clickstream_streams.watermarks import PartitionWatermark
from clickstream_streams.windows import NEVER, CountingRules

clickstream_native: Any = pytest.importorskip(
    "clickstream_native", reason="the wheel clickstream-native is not installed: make native"
)

EXACT_LIMIT = 100_000
MOST_BYTES = 64 * 1024 * 1024
FOREVER = 10**16
RULES = CountingRules(30_000, "event", 60_000)


@dataclass(frozen=True)
class Case:
    """The rules, and what `take` gets beside the records; times in milliseconds."""

    rules: CountingRules = RULES
    over: int = NEVER
    behind: int = FOREVER
    believed_to: int = FOREVER
    end_offset: int = 2**63 - 1

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


class _Refusing(Partition):
    """A partition that notes what is refused, and what would be counted by itself."""

    def __init__(self, rules: CountingRules) -> None:
        watermark = PartitionWatermark(out_of_orderness=0, idle_timeout=1, monotonic=0)
        super().__init__(
            EventsCommit(rules=rules, replay_from=0), 0, watermark, allowed_lateness=0, exact_limit=EXACT_LIMIT
        )
        self.refused: list[tuple[Any, ...]] = []

    def note(self, record: Record, reason: str, error: str) -> None:
        headers = [tuple(header) for header in record.headers]
        self.refused.append((record.offset, record.timestamp, record.key, record.value, headers, reason, error))


class _Judge(_Refusing):
    """Takes one record as `Partition` does, for the native counter."""

    def __init__(self, case: Case) -> None:
        super().__init__(case.rules)
        self._case = case
        self._taken: tuple[int, CountedEvent | None] = (0, None)
        self.judged = 0

    def _count(self, windows: dict[int, list[CountedEvent]], offsets: dict[int, tuple[int, int]]) -> None:
        for window, (event,) in windows.items():
            self._taken = window, event

    def __call__(
        self, record: Record, highest: int, ahead: bool, over: int
    ) -> tuple[int, bool, int, int, CountedEvent | None]:
        self.judged += 1
        self._taken = 0, None
        behind, believed_to = self._case.behind, self._case.believed_to
        highest, now_ahead = self._take_each([record], highest, over, behind, self.note, believed_to)
        return highest, ahead or now_ahead, max(over, highest - behind), *self._taken


def by_python(records: Iterable[Record], case: Case) -> Result:
    partition = _Refusing(case.rules)
    taken = [record for record in records if record.offset < case.end_offset]
    highest, ahead = partition._take_each(taken, NEVER, case.over, case.behind, partition.note, case.believed_to)
    spans, counts = {}, {}
    for start, window in partition._windows.items():
        partial = window.snapshot()
        spans[start] = partial.total_events, window.first, window.last
        counts[start] = (
            partial.total_events,
            int(partial.duration_sum),
            list(partial.event_types.items()),
            list(partial.devices.items()),
            list(partial.referrers.counts.items()),
            list(partial.pages.counts.items()),
            _hashes(partial.users.hashes),
            _hashes(partial.sessions.hashes),
        )
    return Result(highest, ahead, spans, partition.refused, counts)


def by_native(batches: Sequence[Sequence[Record]], case: Case) -> Result:
    """Count batch after batch; the first windows that appear are the first in `spans`."""
    counter, judge = case.counter(), _Judge(case)
    result = Result(NEVER, False, {}, judge.refused)
    over = case.over
    for batch in batches:
        highest, ahead, spans, full = counter.take(batch, case.end_offset, over, case.behind, case.believed_to, judge)
        assert not full
        result.highest, result.ahead = max(result.highest, highest), result.ahead or ahead
        over = max(over, highest - case.behind)
        for window, events, first, last in spans:
            before, begin, _ = result.spans.get(window, (0, first, last))
            result.spans[window] = before + events, begin, last
    for window in result.spans:
        result.counts[window] = drained(counter, window)
        assert counter.drain(window) is None
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
    assert list(native.spans.items()) == list(python.spans.items())
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
