"""Stage 1 in memory: the counts of one partition of the events topic, and what becomes of each of its records.

Records come in batches, in the order of their offsets. Each is counted in its window, or refused as a dead letter:
because it is no event, because its window is over in this partition (`late`), because its time is ahead of its record
timestamp (`future`), or because the earlier counts of its window can't be restored any more (`expired`). `changes`
returns what a transaction has to write; nothing here knows Kafka.

Only what is not written yet is in memory: a window's counts until the watermark has passed its end, and after that what
is counted in it later, until the next transaction. If these are more than MOST_WINDOWS windows, as in a backlog of few
events an hour, a transaction is due at once. If too many of them are still open, as with times scattered over the
future, it writes those too: what is counted in them later is added, as in windows that the watermark has passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clickstream_kafka.records import DeadLetter, Record
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counting import Bounds, Counting, Taken
from clickstream_streams.judging import Judge
from clickstream_streams.partials import Partial
from clickstream_streams.refusals import RefusalCount, Refusals, committed_refusals, refusals_of, total_of
from clickstream_streams.spans import Span
from clickstream_streams.watermarks import PartitionWatermark, final_before

MOST_WAITING_BYTES = 4 * 1024 * 1024
"""Of dead letters; with more of them the next transaction is due at once."""

_LETTER_BYTES = 1024
"""Of a dead letter in memory, beside its key and value: a small one costs hardly less."""

BACKLOG_RECORDS = 50_000
"""A lag of so many records is a backlog: some tenths of a second of work."""

MOST_WINDOWS = 1_000
"""With more windows that are not written, a transaction is due at once. One with few events takes some 3 kB."""

MOST_OPEN_WINDOWS = 500
"""If the watermark has not passed more of them than this, they are written ahead of it."""

_FOREVER = 10**16


@dataclass(frozen=True)
class Changes:
    """What one transaction writes: partials by window, dead letters, and the commit at `offset`."""

    partials: dict[int, Partial]
    dead_letters: Sequence[DeadLetter]
    offset: int
    commit: EventsCommit


class _Window:
    """From which records a window was counted, and how many were refused before the first and the last."""

    __slots__ = ("before_first", "before_last", "first", "last")

    def __init__(self, first: int, before_first: Refusals) -> None:
        self.first = self.last = first
        self.before_first = self.before_last = before_first

    @property
    def refused(self) -> tuple[Refusals, Refusals]:
        return self.before_first, self.before_last

    @property
    def span(self) -> Span:
        return Span(self.first, self.last, self.before_first, self.before_last)


class Partition:
    """The state of one partition, continued from `commit` at `offset`, the next record's.

    After a restart, `restore` takes the records from `commit.replay_from` up to `offset` again, `restored` ends that,
    and `process` goes on. `counted` is how many events were counted since, `waiting_bytes` the size of the dead letters
    not yet written.
    """

    def __init__(
        self,
        commit: EventsCommit,
        offset: int,
        watermark: PartitionWatermark,
        counting: Counting,
        *,
        allowed_lateness: int,
    ) -> None:
        self.offset = offset
        self.watermark = watermark
        self.counted = 0
        self.waiting_bytes = 0
        self.committed = commit
        self.committed_offset = offset
        self._rules = commit.rules
        self._allowed_lateness = allowed_lateness
        self._counting = counting
        self._windows: dict[int, _Window] = {}
        self._refused = RefusalCount(total_of(commit.refused, offset))
        self._dead_letters: list[DeadLetter] = []
        self._seen_to = commit.seen_to

    # -- records ------------------------------------------------------------------------------------------------------

    def process(self, records: Sequence[Record], *, clock: int, monotonic: int) -> None:
        """Count the records or refuse them.

        Now is `clock` in milliseconds since the epoch, and `monotonic` in milliseconds of a clock that only rises.
        """
        behind = self.watermark.out_of_orderness + self._allowed_lateness
        bounds = Bounds(self.final_before, behind, clock + self._rules.max_clock_skew, _FOREVER)
        taken = self._take(records, bounds, Judge(self.committed, bounds, self._refuse, self._refused.leave_out))
        self.watermark.observe(taken.highest, ahead=taken.ahead, monotonic=monotonic)
        self.offset = max(self.offset, records[-1].offset + 1)

    def restore(self, records: Sequence[Record]) -> None:
        """Count the records before `offset` again in windows that were not written; refused ones are dead letters."""
        over = max(self.final_before, self.committed.watermark)
        bounds = Bounds(over, _FOREVER, believed_to=_FOREVER, end_offset=self.offset)
        self._take(records, bounds, Judge(self.committed, bounds, _ignore, self._refused.leave_out))

    def restored(self) -> None:
        """End a restore: a replay can't tell which records were refused, but the commit says how many."""
        self.counted = 0
        self._refused = RefusalCount(total_of(self.committed.refused, self.offset))
        for start, window in self._windows.items():
            window.before_first, window.before_last = refusals_of(self.committed.refused, start, self.offset)

    def _take(self, records: Sequence[Record], bounds: Bounds, judge: Judge) -> Taken:
        self._refused.begin_batch()
        taken = self._counting.take(records, bounds, judge)
        for window, (events, first, last) in taken.windows.items():
            known = self._windows.get(window)
            if known is None:
                known = self._windows[window] = _Window(first, self._refused.before(first))
            known.last, known.before_last = last, self._refused.before(last)
            self.counted += events
            self._seen_to = max(self._seen_to, self._rules.end_of(window))
        return taken

    def _refuse(self, record: Record, reason: str, error: str) -> None:
        self._refused.refuse(record.offset, reason)
        if record.offset < self.committed.dead_lettered_to:
            return
        self._dead_letters.append(DeadLetter(record, reason, error))
        self.waiting_bytes += _LETTER_BYTES + len(record.key or b"") + len(record.value or b"")

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def final_before(self) -> int:
        """Windows that end at this time or before are over in this partition, whatever a setting says later."""
        floor = max(self.committed.final_before, self.committed.expired_to)
        return max(floor, final_before(self.watermark.value, self._allowed_lateness))

    @property
    def open_windows(self) -> int:
        """How many windows hold events that are not written yet."""
        return len(self._windows)

    @property
    def approximate_windows(self) -> int:
        """How many of them are counted by a sketch."""
        return self._counting.approximate_windows

    # -- transactions -------------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        """Whether there is something to commit."""
        return self.offset != self.committed_offset or self.is_urgent() or self._passed(self.final_before)

    @property
    def is_full(self) -> bool:
        """Whether so many dead letters or windows wait that they must be written before the next records."""
        return self.waiting_bytes > MOST_WAITING_BYTES or len(self._windows) > MOST_WINDOWS

    def is_urgent(self, behind: int = 0) -> bool:
        """Whether the watermark has passed a window's end since the last commit, or too much waits.

        In a backlog, `behind` records from the log's end, results can wait: transactions would slow it down.
        """
        return self.is_full or (
            behind < BACKLOG_RECORDS and self._bound(self.watermark.value) > self._bound(self.committed.watermark)
        )

    def _passed(self, over: int) -> bool:
        return self._bound(over) > self._bound(self.committed.final_before)

    def _bound(self, time: int) -> int:
        return self._rules.window_of(time)

    def changes(self) -> Changes:
        """Return what the next transaction has to write for the records processed so far."""
        watermark = self.watermark.value
        ends = {window: self._rules.end_of(window) for window in sorted(self._windows)}
        opened = {window: end for window, end in ends.items() if end > watermark}
        ahead_to = self.committed.written_ahead_to
        added_to = max(self.committed.watermark, ahead_to)
        if len(opened) > MOST_OPEN_WINDOWS:
            ahead_to = max(ahead_to, *opened.values())
            opened = {}
        return Changes(
            partials={
                window: Partial(self._counting.snapshot(window, self._windows[window].span), whole=end > added_to)
                for window, end in ends.items()
                if window not in opened
            },
            dead_letters=tuple(self._dead_letters),
            offset=self.offset,
            commit=EventsCommit(
                rules=self._rules,
                replay_from=min((self._windows[window].first for window in opened), default=self.offset),
                watermark=watermark,
                written_ahead_to=ahead_to,
                final_before=self.final_before,
                seen_to=self._seen_to,
                expired_to=self.committed.expired_to,
                began=self.committed.began,
                joined=True,
                dead_lettered_to=self.committed.dead_lettered_to,
                kept_to=self.committed.kept_to,
                refused=committed_refusals(
                    self._refused.total, {window: self._windows[window].refused for window in opened}
                ),
            ),
        )

    def commit(self, changes: Changes) -> None:
        """Note that `changes` were committed; no record may have been processed in between."""
        self.committed = changes.commit
        self.committed_offset = changes.offset
        self._dead_letters.clear()
        self.waiting_bytes = 0
        for window in changes.partials:
            del self._windows[window]
            self._counting.forget(window)


def _ignore(record: Record, reason: str, error: str) -> None:
    pass
