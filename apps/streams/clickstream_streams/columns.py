"""A batch of records as columns: possible for nearly all batches, and the reason why the processor is fast.

Nearly every batch contains only valid events with timestamps of one form, `2024-10-26T10:30:45.123Z`. Text of that form
sorts like time, so the smallest and the largest text bound all times of the batch, and the window of an event follows
from the second that its text begins with, of which a batch has few. No record is looked at by itself: list
comprehensions and C functions do the rest. For a batch of valid events whose timestamps have other forms, or are ahead
of a clock, the time of each event is parsed.

`columns_of` returns None for any other batch, and the partition takes its records one by one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import sub

from clickstream_core.events import CountedEvent, decode_events
from clickstream_core.timestamps import parse_timestamp
from clickstream_kafka.records import Record
from clickstream_streams.windows import NEVER, CountingRules

_SHAPE = "0000-00-00T00:00:00.000Z"
_DIGITS_TO_0 = str.maketrans("123456789", "000000000")
_MINUTE = len("2024-10-26T10:30")
_SECOND = len("2024-10-26T10:30:45")

_FEW_WINDOWS = 32
"""As many as can be looked for one by one: a batch has two or three, unless its times are scattered."""


@dataclass(frozen=True)
class Columns:
    """Valid events, none of them ahead of its record's timestamp by more than allowed.

    `earliest` and `latest` are the smallest and the largest time that decides on a window; `highest` is the largest
    min(event time, record timestamp) that is believed, NEVER when none is, and `ahead` whether there was one that is
    not. All are in milliseconds since the epoch; `windows` are the events by window, `offsets` the first and the last
    offset of each window's.
    """

    earliest: int
    latest: int
    highest: int
    ahead: bool
    windows: dict[int, list[CountedEvent]]
    offsets: dict[int, tuple[int, int]]


def columns_of(records: Sequence[Record], rules: CountingRules, believed_to: int) -> Columns | None:
    """Return the records as columns, or None when they must be taken one by one.

    Times after `believed_to` (milliseconds since the epoch) are too far ahead of the clock to be believed.
    """
    events = decode_events([record.value for record in records])
    if events is None:
        return None
    texts = [event.timestamp for event in events]
    arrivals = [record.timestamp for record in records]
    first, last = min(texts), max(texts)
    starts = _starts(texts, first, last)
    if starts is not None and rules.window_time == "event":
        earliest, latest = starts[first[:_SECOND]] + int(first[-4:-1]), starts[last[:_SECOND]] + int(last[-4:-1])
        # `latest` is the largest of the smaller times when its own record arrived after it.
        if latest <= arrivals[texts.index(last)] and latest <= min(believed_to, min(arrivals) + rules.max_clock_skew):
            window = rules.window_of(latest)
            if rules.window_of(earliest) == window:
                grouped = {window: events}, {window: (records[0].offset, records[-1].offset)}
            else:
                grouped = _by_window(records, events, [rules.window_of(_start(text[:_SECOND])) for text in texts])
            return Columns(earliest, latest, latest, False, *grouped)
    by_arrival = rules.window_time == "arrival"
    try:
        times = arrivals if by_arrival and starts is not None else [parse_timestamp(text) for text in texts]
    except ValueError:
        return None
    return _by_time(records, events, arrivals if by_arrival else times, arrivals, rules, believed_to)


def _by_time(
    records: Sequence[Record],
    events: Sequence[CountedEvent],
    times: Sequence[int],
    arrivals: Sequence[int],
    rules: CountingRules,
    believed_to: int,
) -> Columns | None:
    if max(map(sub, times, arrivals)) > rules.max_clock_skew:
        return None
    seen = list(map(min, times, arrivals))
    highest = max(seen)
    ahead = highest > believed_to
    if ahead:
        highest = max((time for time in seen if time <= believed_to), default=NEVER)
    grouped = _by_window(records, events, [rules.window_of(time) for time in times])
    return Columns(min(times), max(times), highest, ahead, *grouped)


def _by_window(
    records: Sequence[Record], events: Sequence[CountedEvent], windows: Sequence[int]
) -> tuple[dict[int, list[CountedEvent]], dict[int, tuple[int, int]]]:
    """Return each window's events, and the offsets of the first and the last of them."""
    grouped: dict[int, list[CountedEvent]] = {window: [] for window in set(windows)}
    for event, window in zip(events, windows, strict=True):
        grouped[window].append(event)
    return grouped, _offsets(records, windows, grouped)


def _offsets(
    records: Sequence[Record], windows: Sequence[int], different: Collection[int]
) -> dict[int, tuple[int, int]]:
    """Return the offsets of the first and the last record of each of the `different` windows."""
    backwards = windows[::-1]
    if len(different) <= _FEW_WINDOWS:
        return {
            window: (records[windows.index(window)].offset, records[-1 - backwards.index(window)].offset)
            for window in different
        }
    positions = range(len(windows))
    lasts = dict(zip(windows, positions, strict=True))  # of equal keys the last one counts
    firsts = dict(zip(backwards, reversed(positions), strict=True))
    return {window: (records[firsts[window]].offset, records[lasts[window]].offset) for window in different}


def _starts(texts: Sequence[str], first: str, last: str) -> dict[str, int] | None:
    """Return the start of each second that the texts begin with; None unless all have the usual form and are times.

    `first` and `last` are the smallest and the largest of them. If both are in one minute, only their seconds are
    returned: every text between them is a time as well.
    """
    if "".join(texts).translate(_DIGITS_TO_0) != _SHAPE * len(texts):
        return None
    seconds = {first[:_SECOND], last[:_SECOND]}
    if first[:_MINUTE] != last[:_MINUTE]:
        seconds = {text[:_SECOND] for text in texts}  # a text between two times need not be a time: 10:30:75
    try:
        return {second: _start(second) for second in seconds}
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _start(second: str) -> int:
    """Return the start of `2024-10-26T10:30:45` in milliseconds.

    Raises ValueError when there is no such time, and for a leap second, which sorts before the second that it is.
    """
    if second.endswith(":60"):
        raise ValueError("a leap second")
    return parse_timestamp(second + "Z")
