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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clickstream_core.errors import InvalidEvent
from clickstream_core.events import CountedEvent, decode_event
from clickstream_core.timestamps import FIRST_MS, LAST_MS, format_milliseconds, format_seconds, parse_timestamp
from clickstream_kafka.patches.bounded_unpacking import MOST_UNPACKED_BYTES
from clickstream_kafka.records import DeadLetter, OversizedRecord, Record
from clickstream_streams.columns import Columns, columns_of
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counts import MOST_AT_ONCE, PartialCounts, WindowCounts
from clickstream_streams.partials import Partial
from clickstream_streams.refusals import RefusalCount, Refusals, committed_refusals, refusals_of, total_of
from clickstream_streams.spans import Span
from clickstream_streams.watermarks import PartitionWatermark, final_before
from clickstream_streams.windows import NEVER

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

_FIRST_KAFKA_MS = 1_293_840_000_000
"""2011-01-01, the year of Kafka's first release: an older record timestamp is not meant as one."""

_FOREVER = 10**16

Refuse = Callable[[Record, str, str], None]


@dataclass(frozen=True)
class Changes:
    """What one transaction writes: partials by window, dead letters, and the commit at `offset`."""

    partials: dict[int, Partial]
    dead_letters: Sequence[DeadLetter]
    offset: int
    commit: EventsCommit


class _Window:
    """What was counted in a window, from which records, and how many were refused before the first and the last."""

    __slots__ = ("before_first", "before_last", "counts", "first", "last")

    def __init__(self, exact_limit: int, first: int, before_first: Refusals) -> None:
        self.counts = WindowCounts(exact_limit)
        self.first = self.last = first
        self.before_first = self.before_last = before_first

    @property
    def refused(self) -> tuple[Refusals, Refusals]:
        return self.before_first, self.before_last

    def snapshot(self) -> PartialCounts:
        return self.counts.snapshot(Span(self.first, self.last, self.before_first, self.before_last))


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
        *,
        allowed_lateness: int,
        exact_limit: int,
    ) -> None:
        self.offset = offset
        self.watermark = watermark
        self.counted = 0
        self.waiting_bytes = 0
        self.committed = commit
        self.committed_offset = offset
        self._rules = commit.rules
        self._allowed_lateness = allowed_lateness
        self._exact_limit = exact_limit
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
        believed_to = clock + self._rules.max_clock_skew
        highest, ahead = self._take(records, self.final_before, behind, self._refuse, believed_to)
        self.watermark.observe(highest, ahead=ahead, monotonic=monotonic)
        self.offset = max(self.offset, records[-1].offset + 1)

    def restore(self, records: Sequence[Record]) -> None:
        """Count the records again in windows that were not written; refused ones are already dead letters."""
        self._take(records, max(self.final_before, self.committed.watermark), _FOREVER, _ignore, believed_to=_FOREVER)

    def restored(self) -> None:
        """End a restore: a replay can't tell which records were refused, but the commit says how many."""
        self.counted = 0
        self._refused = RefusalCount(total_of(self.committed.refused, self.offset))
        for start, window in self._windows.items():
            window.before_first, window.before_last = refusals_of(self.committed.refused, start, self.offset)

    def _take(
        self, records: Sequence[Record], over: int, behind: int, refuse: Refuse, believed_to: int
    ) -> tuple[int, bool]:
        """Count `records`; return the largest min(event time, record timestamp) among them, up to `believed_to`.

        And whether one was later than that. Windows that end at `over` or before are over, and those that the largest
        time is `behind` milliseconds past.
        """
        highest, any_ahead = NEVER, False
        for first in range(0, len(records), MOST_AT_ONCE):
            chunk = records[first : first + MOST_AT_ONCE]
            self._refused.begin_batch()
            columns = columns_of(chunk, self._rules, believed_to)
            if columns is not None and self._takes_all(columns, max(over, columns.highest - behind)):
                highest, ahead = max(highest, columns.highest), columns.ahead
                self._count(columns.windows, columns.offsets)
            else:
                highest, ahead = self._take_each(chunk, highest, over, behind, refuse, believed_to)
            over = max(over, highest - behind)
            any_ahead = any_ahead or ahead
        return highest, any_ahead

    def _takes_all(self, columns: Columns, over: int) -> bool:
        """Whether every window of the batch is still counted in, and can be written as a timestamp."""
        first, last = self._rules.window_of(columns.earliest), self._rules.window_of(columns.latest)
        return self._rules.end_of(first) > over and first >= FIRST_MS and self._rules.end_of(last) < LAST_MS

    def _take_each(
        self, records: Sequence[Record], highest: int, over: int, behind: int, refuse: Refuse, believed_to: int
    ) -> tuple[int, bool]:
        """As `_take`, one by one, for what may hold a record that is refused; `highest` is the largest time before."""
        rules, by_arrival = self._rules, self._rules.window_time == "arrival"
        ahead = False
        taken: dict[int, list[CountedEvent]] = {}
        firsts: dict[int, int] = {}
        lasts: dict[int, int] = {}
        counted: list[CountedEvent] = []
        latest = last = NEVER
        for record in records:
            arrived = record.timestamp
            rejected: InvalidEvent | None = None
            try:
                event = _decoded(record)
                time = parse_timestamp(event.timestamp)
            except InvalidEvent as error:
                rejected, time = error, NEVER if error.timestamp is None else error.timestamp
            except ValueError as error:
                rejected, time = InvalidEvent("bad_timestamp", f"timestamp {event.timestamp[:60]!r} {error}"), NEVER
            if by_arrival:
                time = arrived
            seen = min(time, arrived)
            if seen > believed_to:
                ahead = True
            elif rules.end_of(rules.window_of(seen)) < LAST_MS:
                highest = max(highest, seen)
            over = max(over, highest - behind)
            window = rules.window_of(time)
            end = rules.end_of(window)
            if rejected is not None:
                refuse(record, rejected.reason, str(rejected))
            elif time - arrived > rules.max_clock_skew:
                refuse(record, "future", _ahead(time, arrived, rules.max_clock_skew))
            elif window < FIRST_MS or end >= LAST_MS:
                refuse(record, "bad_timestamp", "its window is not within the years 1 to 9999")
            elif end > over:
                if window != latest:
                    lasts[latest], latest = last, window
                    firsts.setdefault(window, record.offset)
                    counted = taken.setdefault(window, [])
                counted.append(event)
                last = record.offset
            elif record.offset < self.committed.dead_lettered_to and end <= self.committed.kept_to:
                self._refused.leave_out(record.offset)  # before the reset it was counted, or became a dead letter
            elif end <= self.committed.expired_to:
                refuse(record, "expired", f"the earlier events of window {format_seconds(window)} are gone")
            else:
                refuse(record, "late", _behind(end, over))
        lasts[latest] = last
        self._count(taken, {window: (first, lasts[window]) for window, first in firsts.items()})
        return highest, ahead

    def _count(self, windows: dict[int, list[CountedEvent]], offsets: dict[int, tuple[int, int]]) -> None:
        for window, events in windows.items():
            first, last = offsets[window]
            known = self._windows.get(window)
            if known is None:
                known = self._windows[window] = _Window(self._exact_limit, first, self._refused.before(first))
            known.counts.add(events)
            known.last, known.before_last = last, self._refused.before(last)
            self.counted += len(events)
            self._seen_to = max(self._seen_to, self._rules.end_of(window))

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
        return sum(window.counts.approximate for window in self._windows.values())

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
                window: Partial(self._windows[window].snapshot(), whole=end > added_to)
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


def _decoded(record: Record) -> CountedEvent:
    """Return the record's event. Raises InvalidEvent."""
    if isinstance(record, OversizedRecord):
        most = MOST_UNPACKED_BYTES >> 20
        raise InvalidEvent("too_large", f"its batch unpacks to more than {most} MiB; its bytes are at its source")
    return decode_event(record.value)


def _ignore(record: Record, reason: str, error: str) -> None:
    pass


def _ahead(time: int, arrived: int, skew: int) -> str:
    # A producer may set any record timestamp, including times before the year 1.
    if arrived >= _FIRST_KAFKA_MS:
        record_time = format_milliseconds(arrived) if arrived < LAST_MS else f"timestamp of {arrived} ms"
        return f"the event's time is {time - arrived} ms after its record's {record_time}, allowed are {skew}"
    if arrived == -1:
        meaning = "-1, so none was set"
    elif arrived < FIRST_MS:
        meaning = f"{arrived} ms, before the year 1"
    else:
        meaning = f"{arrived} ms, which is {format_milliseconds(arrived)}, before there was Kafka"
    return (
        f"the record's own timestamp is nonsense: {meaning}. Its producer must set milliseconds since 1970, or leave "
        f"that to its library; an event's time may be {skew} ms after its record's"
    )


def _behind(end: int, over: int) -> str:
    return f"its window ended at {format_seconds(end)}; windows are over up to {format_milliseconds(over)}"
