"""What becomes of a record by itself: it is counted in a window, or refused for a reason and with an explanation."""

from collections.abc import Callable

from clickstream_core.errors import InvalidEvent
from clickstream_core.events import CountedEvent, decode_event
from clickstream_core.timestamps import FIRST_MS, LAST_MS, format_milliseconds, format_seconds, parse_timestamp
from clickstream_kafka.patches.bounded_unpacking import MOST_UNPACKED_BYTES
from clickstream_kafka.records import OversizedRecord, Record
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counting import Bounds, Verdict
from clickstream_streams.windows import NEVER

_FIRST_KAFKA_MS = 1_293_840_000_000
"""2011-01-01, the year of Kafka's first release: an older record timestamp is not meant as one."""

Refuse = Callable[[Record, str, str], None]
"""Called with a refused record, the reason and the explanation."""

LeaveOut = Callable[[int], None]
"""Called with the offset of a record that was counted or refused before the offsets were reset."""


class Judge:
    """Decides about the records of one partition that goes on from `commit`."""

    def __init__(self, commit: EventsCommit, bounds: Bounds, refuse: Refuse, leave_out: LeaveOut) -> None:
        self._commit = commit
        self._rules = commit.rules
        self._by_arrival = commit.rules.window_time == "arrival"
        self._behind = bounds.behind
        self._believed_to = bounds.believed_to
        self._refuse = refuse
        self._leave_out = leave_out

    def __call__(self, record: Record, highest: int, ahead: bool, over: int) -> Verdict:
        """Decide about the record; the state before it is as in `counting.Verdict`."""
        rules, arrived = self._rules, record.timestamp
        event, time, rejected = _read(record)
        if self._by_arrival:
            time = arrived
        seen = min(time, arrived)
        if seen > self._believed_to:
            ahead = True
        elif rules.end_of(rules.window_of(seen)) < LAST_MS:
            highest = max(highest, seen)
        over = max(over, highest - self._behind)
        window = rules.window_of(time)
        end = rules.end_of(window)
        if rejected is not None:
            self._refuse(record, rejected.reason, str(rejected))
        elif time - arrived > rules.max_clock_skew:
            self._refuse(record, "future", _ahead(time, arrived, rules.max_clock_skew))
        elif window < FIRST_MS or end >= LAST_MS:
            self._refuse(record, "bad_timestamp", "its window is not within the years 1 to 9999")
        elif end > over:
            return Verdict(highest, ahead, over, window, event)
        elif record.offset < self._commit.dead_lettered_to and end <= self._commit.kept_to:
            self._leave_out(record.offset)  # before the reset it was counted, or became a dead letter
        elif end <= self._commit.expired_to:
            self._refuse(record, "expired", f"the earlier events of window {format_seconds(window)} are gone")
        else:
            self._refuse(record, "late", _behind(end, over))
        return Verdict(highest, ahead, over, window, None)


def _read(record: Record) -> tuple[CountedEvent | None, int, InvalidEvent | None]:
    """Return the record's event and time (NEVER if it has no usable one), and what is wrong with it."""
    try:
        event = _decoded(record)
    except InvalidEvent as error:
        return None, NEVER if error.timestamp is None else error.timestamp, error
    try:
        return event, parse_timestamp(event.timestamp), None
    except ValueError as error:
        return None, NEVER, InvalidEvent("bad_timestamp", f"timestamp {event.timestamp[:60]!r} {error}")


def _decoded(record: Record) -> CountedEvent:
    """Return the record's event. Raises InvalidEvent."""
    if isinstance(record, OversizedRecord):
        most = MOST_UNPACKED_BYTES >> 20
        raise InvalidEvent("too_large", f"its batch unpacks to more than {most} MiB; its bytes are at its source")
    return decode_event(record.value)


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
