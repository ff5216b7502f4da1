"""Stage 2 in memory: what all partitions have counted in each window, and the results made of it.

Records of the partials topic are applied in order. A partition's partials wait until the watermark record of their
transaction is read; then they are added to its share of the window, or replace it. A result is due when every
partition's watermark has reached the window's end (`watermarks.topic_watermark`) and the merged numbers differ from
those last emitted: first as revision 0, later as the next revision. Revisions of a window are at least
REVISION_INTERVAL apart, so that a trickle of late events does not emit it again and again; only its last change, when
it is over, does not wait. A window is forgotten when it is over in every partition. Nothing here knows Kafka.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from clickstream_core.receipts import PartitionReceipt
from clickstream_core.timestamps import format_seconds, parse_timestamp
from clickstream_core.window_metrics import WindowMetrics
from clickstream_streams.commits import MergeCommit
from clickstream_streams.counts import PartialCounts, merged_metrics
from clickstream_streams.errors import UnreadablePartial, UnreadableSketch
from clickstream_streams.partials import InternalRecord, InvalidRecord, PartialPart, WatermarkRecord, decode_counts
from clickstream_streams.shares import MOST_HELD_BYTES, Shares
from clickstream_streams.spans import share_receipt
from clickstream_streams.watermarks import slowest_partition, topic_watermark
from clickstream_streams.windows import NEVER

_READ_BACK_BYTES = 64 * 1024 * 1024


@dataclass
class _Progress:
    """A partition's newest watermark record, and its offset; `first_watermark` is the first that was read.

    Partials follow their window's end: the log holds all of them for windows that end after the first watermark.
    """

    watermark: int
    final_before: int
    offset: int
    first_watermark: int


@dataclass
class _Pending:
    """A partial whose transaction's watermark record was not read yet."""

    head: PartialPart
    offsets: list[int]
    payloads: list[bytes]


@dataclass(frozen=True)
class Result:
    """A window's result, and its receipt; None if an older version has written some of what it was made of."""

    metrics: WindowMetrics
    receipt: dict[int, PartitionReceipt] | None


@dataclass
class _Window:
    """The result last emitted, and when, in milliseconds of a clock that only rises."""

    emitted: WindowMetrics | None
    emitted_at: int = NEVER


class Merge:
    """The state of the merge, continued from `commit`.

    `emitted` are the results on the metrics topic for windows that can still change, any revisions in any order.
    `partitions` is how many partitions the events topic is known to have; it may be raised, or lowered by `shrink`.
    `revision_interval` is in milliseconds, `most_bytes` is how much of the partials is held in memory.
    """

    def __init__(
        self,
        commit: MergeCommit,
        emitted: Iterable[WindowMetrics],
        partitions: int,
        *,
        revision_interval: int = 0,
        most_bytes: int = MOST_HELD_BYTES,
    ) -> None:
        self.partitions = partitions
        self.final_before = commit.final_before
        self._commit = commit
        self._rules = commit.rules
        self._progress: dict[int, _Progress] = {}
        self._pending: dict[int, list[_Pending]] = {}
        self._windows: dict[int, _Window] = {}
        self._changed: set[int] = set()
        self._shares = Shares(most_bytes)
        self._revision_interval = revision_interval
        self._emitted: dict[tuple[int, int], WindowMetrics] = {}
        for metrics in emitted:
            bounds = parse_timestamp(metrics.window_start), parse_timestamp(metrics.window_end)
            known = self._emitted.get(bounds)
            if known is None or known.revision < metrics.revision:
                self._emitted[bounds] = metrics

    def apply(self, offset: int, record: InternalRecord) -> None:
        """Take the next record of the partials topic, at `offset`. Raises UnreadablePartial."""
        if record.rules != self._rules:
            return
        if isinstance(record, WatermarkRecord):
            self._advance(offset, record)
        else:
            self._collect(offset, record)

    def _collect(self, offset: int, part: PartialPart) -> None:
        pending = self._pending.setdefault(part.partition, [])
        if part.part == 0:
            pending.append(_Pending(part, [], []))
        if pending:  # else the log begins in the middle of a partial
            pending[-1].offsets.append(offset)
            pending[-1].payloads.append(part.payload)

    def _advance(self, offset: int, record: WatermarkRecord) -> None:
        known = self._progress.get(record.partition, _Progress(NEVER, NEVER, offset, record.watermark))
        over_before = known.final_before
        known.watermark = max(known.watermark, record.watermark)
        known.final_before = max(known.final_before, record.final_before)
        known.offset = offset
        self._progress[record.partition] = known
        self._begin(record.began)
        for pending in self._pending.pop(record.partition, []):
            # A partition that counts again after a reset changes no window that was over before.
            end = self._rules.end_of(pending.head.window)
            if end > max(over_before, self.final_before) and len(pending.payloads) == pending.head.parts:
                self._add(pending, end)

    def _add(self, pending: _Pending, end: int) -> None:
        head, payload = pending.head, b"".join(pending.payloads)
        try:
            decode_counts(payload).check_sketches()
        except (InvalidRecord, UnreadableSketch) as error:
            raise UnreadablePartial(
                f"the partial at offset {pending.offsets[0]}, partition {head.partition}'s of the window that ends at"
                f" {format_seconds(end)}: {error}"
            ) from error
        if head.window not in self._windows:
            self._windows[head.window] = _Window(self._emitted.pop((head.window, end), None))
        self._shares.add(head.window, head.partition, pending.offsets, payload, whole=head.whole)
        self._changed.add(head.window)

    def _begin(self, began: int) -> None:
        """Drop the windows before `began`: no partition completes them, so their results stay as they are."""
        if began > self.final_before:
            self.final_before = began
            self._forget([window for window in self._windows if self._rules.end_of(window) <= began])

    def _forget(self, windows: Iterable[int]) -> None:
        for window in windows:
            del self._windows[window]
            self._changed.discard(window)
            self._shares.forget(window)

    def settle(self, now: int, *, whole: bool) -> None:
        """End a restore at `now`; `whole` is whether the log was read from its very beginning.

        Windows that are over everywhere change no more, but the last revision of one may still be due. Where retention
        may have deleted a partial, what is left would look like a change, so the last result stays.
        """
        self.final_before = self._over()
        firsts = [progress.first_watermark for progress in self._progress.values()]
        cut = NEVER if whole else min(self.final_before, max(firsts, default=NEVER))
        emitted = {start: window for start, window in self._windows.items() if window.emitted is not None}
        for window in emitted.values():
            window.emitted_at = now
        self._forget(start for start in emitted if self._rules.end_of(start) <= cut)

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
        """How many partitions the topic has, according to the brokers and to the partials."""
        return max(self.partitions, *(partition + 1 for partition in self._progress), 0)

    def heard_from_since(self, partitions: int, offset: int) -> bool:
        """Whether a partition that is none of the first `partitions` has written a record at `offset` or after it."""
        return any(p >= partitions and progress.offset >= offset for p, progress in self._progress.items())

    def shrink(self, partitions: int) -> None:
        """Stop waiting for all but the first `partitions`: the topic was created again with fewer."""
        self.partitions = partitions
        self._progress = {p: progress for p, progress in self._progress.items() if p < partitions}

    def waiting(self) -> list[int]:
        """Return the windows with events that are not closed although some partition's watermark has passed them."""
        closed, ahead = self.watermark(), max(self._watermarks().values(), default=NEVER)
        return [window for window in self._windows if closed < self._rules.end_of(window) <= ahead]

    def slowest(self) -> tuple[int, int]:
        """Return the partition that windows wait for, and its watermark (NEVER when unknown)."""
        return slowest_partition(self._watermarks(), self.partitions)

    def has_first_results(self) -> bool:
        """Whether a closed window has no result yet."""
        watermark = self.watermark()
        return any(
            self._windows[window].emitted is None and self._rules.end_of(window) <= watermark
            for window in self._changed
        )

    def due(self, now: int) -> list[int]:
        """Return the closed windows whose result is due at `now`, oldest first."""
        watermark, over = self.watermark(), self._over()
        return [
            window
            for window in sorted(self._changed)
            if (end := self._rules.end_of(window)) <= watermark
            and (end <= over or now - self._windows[window].emitted_at >= self._revision_interval)
        ]

    def portions(self, windows: Iterable[int]) -> Iterator[list[int]]:
        """Yield the windows in portions, so that what has to be read back for one of them fits into memory."""
        portion: list[int] = []
        size = 0
        for window in windows:
            portion.append(window)
            size += self._shares.missing_bytes(window)
            if size >= _READ_BACK_BYTES:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion

    def missing(self, windows: Iterable[int]) -> list[int]:
        """Return the offsets of the windows' partials that are no longer in memory, in order."""
        return sorted(offset for window in windows for offset in self._shares.missing(window))

    def read_back(self, windows: Collection[int], parts: Mapping[int, PartialPart]) -> None:
        """Take the `missing` records of the windows, by offset."""
        self._shares.read_back(windows, parts)

    def results(self, windows: Iterable[int], now: int) -> list[Result]:
        """Return the results of `due` windows that differ from what was emitted, and note them as emitted at `now`."""
        results: list[Result] = []
        for start in windows:
            window = self._windows[start]
            self._changed.discard(start)
            known = window.emitted
            revision = known.revision if known else 0
            shares = self._shares.counts(start)
            partials = [partial for share in shares.values() for partial in share]
            result = merged_metrics(start, self._rules.end_of(start), partials, revision)
            if known is not None and (result == known or self._holds_less(result, known)):
                continue
            window.emitted = result if known is None else msgspec.structs.replace(result, revision=known.revision + 1)
            window.emitted_at = now
            results.append(Result(window.emitted, _receipt(shares)))
        self._shares.trim()
        return results

    def _holds_less(self, result: WindowMetrics, known: WindowMetrics) -> bool:
        return self._commit.only_more and result.total_events < known.total_events

    def commit(self, offset: int) -> MergeCommit:
        """Forget the windows that are over everywhere and return the commit at `offset`, the next record's.

        Called after all results that are due were taken from `results`.
        """
        self.final_before = self._over()
        self._emitted = {(s, e): m for (s, e), m in self._emitted.items() if e > self.final_before}
        self._forget([window for window in self._windows if self._rules.end_of(window) <= self.final_before])
        first = self._shares.first_offset()
        needed = [] if first is None else [first]
        needed += [pending.offsets[0] for waiting in self._pending.values() for pending in waiting]
        needed += [progress.offset for progress in self._progress.values()]
        self._commit = msgspec.structs.replace(
            self._commit, replay_from=min(needed, default=offset), final_before=self.final_before
        )
        return self._commit


def _receipt(shares: Mapping[int, Sequence[PartialCounts]]) -> dict[int, PartitionReceipt] | None:
    receipt: dict[int, PartitionReceipt] = {}
    for partition, partials in shares.items():
        counted = sum(partial.total_events for partial in partials)
        of_partition = share_receipt([partial.span for partial in partials], counted)
        if of_partition is None:
            return None
        receipt[partition] = of_partition
    return receipt
