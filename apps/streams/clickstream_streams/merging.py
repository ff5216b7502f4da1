"""Stage 2 in memory: the newest partials of all partitions, and the windows' results that they make.

Records of the partials topic are applied in order. A partition's partials wait until the watermark record of their
transaction is read; then they replace its earlier ones. A window is owed a result when every partition's watermark has
reached its end (`watermarks.topic_watermark`) and its merged numbers differ from those last emitted: first as revision
0, later as the next revision. A window is forgotten when it is over in every partition. Nothing here knows Kafka.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics
from clickstream_streams.commits import MergeCommit
from clickstream_streams.counts import PartialCounts, merge
from clickstream_streams.partials import InternalRecord, PartialPart, WatermarkRecord, unite
from clickstream_streams.watermarks import slowest_partition, topic_watermark
from clickstream_streams.windows import NEVER


@dataclass
class _Progress:
    """What a partition said last, and at which offset; `first_watermark` is what was read of it first.

    Partials follow their window's end: the log holds all of them for windows that end after the first watermark.
    """

    watermark: int
    final_before: int
    offset: int
    first_watermark: int


@dataclass
class _Pending:
    """A partial that was read, but whose transaction's watermark record was not yet."""

    window: int
    first_offset: int
    parts: int
    payloads: list[bytes]


@dataclass
class _Window:
    """The newest partial of each partition and its first offset, and the result last emitted; `changed` since then."""

    emitted: WindowMetrics | None
    partials: dict[int, PartialCounts] = field(default_factory=dict)
    first_offsets: dict[int, int] = field(default_factory=dict)
    changed: bool = False


class Merge:
    """The state of the merge, continued from `commit`.

    `emitted` are the results on the metrics topic for windows that can still change, any revisions in any order.
    `partitions` is how many partitions the events topic is known to have; it may be raised, or lowered by `shrink`.
    """

    def __init__(self, commit: MergeCommit, emitted: Iterable[WindowMetrics], partitions: int) -> None:
        self.partitions = partitions
        self.final_before = commit.final_before
        self._rules = commit.rules
        self._progress: dict[int, _Progress] = {}
        self._pending: dict[int, list[_Pending]] = {}
        self._windows: dict[int, _Window] = {}
        self._emitted: dict[tuple[int, int], WindowMetrics] = {}
        for metrics in emitted:
            bounds = parse_timestamp(metrics.window_start), parse_timestamp(metrics.window_end)
            known = self._emitted.get(bounds)
            if known is None or known.revision < metrics.revision:
                self._emitted[bounds] = metrics

    def apply(self, offset: int, record: InternalRecord) -> None:
        """Take the next record of the partials topic, at `offset`."""
        if record.rules != self._rules:
            return
        if isinstance(record, WatermarkRecord):
            self._advance(offset, record)
        else:
            self._collect(offset, record)

    def _collect(self, offset: int, part: PartialPart) -> None:
        pending = self._pending.setdefault(part.partition, [])
        if part.part == 0:
            pending.append(_Pending(part.window, offset, part.parts, []))
        if pending:  # else the log begins in the middle of a partial
            pending[-1].payloads.append(part.payload)

    def _advance(self, offset: int, record: WatermarkRecord) -> None:
        known = self._progress.get(record.partition, _Progress(NEVER, NEVER, offset, record.watermark))
        called_over = known.final_before
        known.watermark = max(known.watermark, record.watermark)
        known.final_before = max(known.final_before, record.final_before)
        known.offset = offset
        self._progress[record.partition] = known
        self._begin(record.began)
        for pending in self._pending.pop(record.partition, []):
            end = self._rules.end_of(pending.window)
            # A partition that counts again after a reset changes nothing that it had called over.
            if end <= max(called_over, self.final_before) or len(pending.payloads) != pending.parts:
                continue
            window = self._windows.get(pending.window)
            if window is None:
                emitted = self._emitted.pop((pending.window, end), None)
                window = self._windows[pending.window] = _Window(emitted)
            window.partials[record.partition] = unite(pending.payloads)
            window.first_offsets[record.partition] = pending.first_offset
            window.changed = True

    def _begin(self, began: int) -> None:
        """Drop the windows before `began`: no partition completes them, so their results stay as they are."""
        if began > self.final_before:
            self.final_before = began
            self._windows = {s: window for s, window in self._windows.items() if self._rules.end_of(s) > began}

    def settle(self, *, whole: bool) -> None:
        """End a restore; `whole` is whether the log was read from its very beginning.

        Windows that are over everywhere change no more, but the last revision of one may still be owed. Where retention
        may have deleted a partial, what is left would be taken for a change, so the last result stays.
        """
        self.final_before = self._over()
        firsts = [progress.first_watermark for progress in self._progress.values()]
        cut = NEVER if whole else min(self.final_before, max(firsts, default=NEVER))
        self._windows = {
            start: window
            for start, window in self._windows.items()
            if window.emitted is None or self._rules.end_of(start) > cut
        }

    def _over(self) -> int:
        """Return the time up to which windows are closed, and over in every partition of the topic."""
        over = min((progress.final_before for progress in self._progress.values()), default=NEVER)
        return max(self.final_before, min(over, self.watermark()))

    def watermark(self) -> int:
        """Return the topic's watermark: windows that end at this time or before are closed."""
        return topic_watermark(self._watermarks(), self.partitions)

    def _watermarks(self) -> dict[int, int]:
        return {partition: progress.watermark for partition, progress in self._progress.items()}

    @property
    def known_partitions(self) -> int:
        """How many partitions the topic has, by all that was said and heard."""
        return max(self.partitions, *(partition + 1 for partition in self._progress), 0)

    def heard_from_since(self, partitions: int, offset: int) -> bool:
        """Whether a partition that is none of the first `partitions` has written a record at `offset` or after it."""
        return any(p >= partitions and progress.offset >= offset for p, progress in self._progress.items())

    def shrink(self, partitions: int) -> None:
        """Let windows wait for no others than these: the topic was made again with fewer."""
        self.partitions = partitions
        self._progress = {p: progress for p, progress in self._progress.items() if p < partitions}

    def waiting(self) -> list[int]:
        """Return the windows with events that are not closed although some partition's watermark has passed them."""
        closed, ahead = self.watermark(), max(self._watermarks().values(), default=NEVER)
        return [window for window in self._windows if closed < self._rules.end_of(window) <= ahead]

    def slowest(self) -> tuple[int, int]:
        """Return the partition that windows wait for, and its watermark (NEVER when not heard from)."""
        return slowest_partition(self._watermarks(), self.partitions)

    @property
    def retained_windows(self) -> int:
        """How many windows may still change."""
        return len(self._windows)

    def owes(self) -> bool:
        """Whether a closed window has had no result yet."""
        watermark = self.watermark()
        return any(
            window.emitted is None and self._rules.end_of(start) <= watermark for start, window in self._windows.items()
        )

    def results(self) -> list[WindowMetrics]:
        """Return the results that are owed, oldest window first, and count them as emitted."""
        watermark = self.watermark()
        owed = []
        for start, window in sorted(self._windows.items()):
            end = self._rules.end_of(start)
            if not window.changed or end > watermark:
                continue
            window.changed = False
            partials = [window.partials[partition] for partition in sorted(window.partials)]
            result = merge(start, end, partials, window.emitted.revision if window.emitted else 0)
            if result == window.emitted:
                continue
            if window.emitted is not None:
                result = msgspec.structs.replace(result, revision=window.emitted.revision + 1)
            window.emitted = result
            owed.append(result)
        return owed

    def commit(self, offset: int) -> MergeCommit:
        """Forget the windows that are over everywhere and return the commit at `offset`, the next record's.

        To be called when everything owed has been taken from `results`.
        """
        self.final_before = self._over()
        self._emitted = {(s, e): m for (s, e), m in self._emitted.items() if e > self.final_before}
        self._windows = {s: w for s, w in self._windows.items() if self._rules.end_of(s) > self.final_before}
        needed = [offset for window in self._windows.values() for offset in window.first_offsets.values()]
        needed += [pending.first_offset for waiting in self._pending.values() for pending in waiting]
        needed += [progress.offset for progress in self._progress.values()]
        return MergeCommit(rules=self._rules, replay_from=min(needed, default=offset), final_before=self.final_before)
