"""Events as the processor reads them, with the fields that it does not count.

Which records are events, and what their counted fields are, is decided by the same code as the processor's
(`clickstream_core.events`). This module adds speed for many records at once, and the three fields that the metrics do
not need: `event_id`, `page_category` and `country` are taken where they are strings, and never make a record invalid.
"""

import json
import re
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from clickstream_archive.typed import Refusal, TypedRows, microseconds
from clickstream_core.errors import InvalidEvent
from clickstream_core.events import MAX_FIELD_BYTES, MAX_NAME_BYTES, CountedEvent, cut_name, decode_event
from clickstream_core.nesting import too_deep

_SHORT_BYTES = MAX_NAME_BYTES + 128
"""A value of this size contains no long name: the names of the eight required fields take the rest."""

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


class _Event(CountedEvent, gc=False):
    event_id: str | None = None
    page_category: str | None = None
    country: str | None = None


_NAMES = (*CountedEvent.__struct_fields__[1:-1], "event_id", "page_category", "country")
_COLUMNS = (*_NAMES, "duration_ms")
_columns = attrgetter(*_COLUMNS)
_decode = msgspec.json.Decoder(_Event).decode


def type_events(values: Sequence[bytes | None]) -> TypedRows:
    """Return the events among the records' values, as columns of the table `events` without those of provenance."""
    events, refusals = _decoded(values)
    times = _times(events, refusals)
    rows = TypedRows.kept(len(values), refusals)
    if refusals:
        events = [events[place] for place in rows.places]
        times = [times[place] for place in rows.places]
    columns = zip(*map(_columns, events), strict=True) if events else ([] for _ in _COLUMNS)
    rows.columns = dict(zip(_COLUMNS, map(list, columns), strict=True))
    rows.columns["timestamp"] = times
    return rows


def _times(events: Sequence[_Event | None], refusals: list[Refusal]) -> list[int]:
    """Microseconds since the epoch; 0 for what is refused."""
    times: list[int] = []
    for place, event in enumerate(events):
        try:
            times.append(microseconds(event.timestamp) if event is not None else 0)
        except ValueError:
            refusals.append(Refusal(place, "bad_timestamp"))
            times.append(0)
    return times


def _decoded(values: Sequence[bytes | None]) -> tuple[list[_Event | None], list[Refusal]]:
    events: list[_Event | None] = []
    refusals: list[Refusal] = []
    rest = iter(values)
    while True:
        try:
            events.extend(map(_decode, rest))  # type: ignore[arg-type]  # None raises TypeError
            break
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
            place = len(events)  # those before it are in the list, and `rest` has gone past it
            events.append(_decoded_exactly(values[place], place, refusals))
    for place, value in enumerate(values):
        if value is None or (len(value) <= _SHORT_BYTES and value.isascii()):
            continue
        event = events[place]
        if event is not None and _is_unusual(value):
            events[place] = _decoded_exactly(value, place, refusals)
        elif event is not None and len(value) > _SHORT_BYTES:
            for name in _NAMES:
                text = getattr(event, name)
                if text is not None and len(text) > MAX_NAME_BYTES // 4:
                    setattr(event, name, cut_name(text))
    return events, refusals


def _is_unusual(value: bytes) -> bool:
    """Whether the decoder took a value that the exact path may refuse."""
    if len(value) > MAX_FIELD_BYTES or too_deep(value):
        return True
    if value.isascii():
        return False
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def _decoded_exactly(value: bytes | None, place: int, refusals: list[Refusal]) -> _Event | None:
    try:
        counted = decode_event(value)
    except InvalidEvent as error:
        refusals.append(Refusal(place, error.reason))
        return None
    event = _Event(*(getattr(counted, name) for name in CountedEvent.__struct_fields__))
    fields = json.loads(value or b"", parse_int=float)  # Python refuses to make an int of thousands of digits
    for name in ("event_id", "page_category", "country"):
        text = fields.get(name)
        if isinstance(text, str):
            setattr(event, name, cut_name(_HALF_A_PAIR.sub("\ufffd", text)))
    return event
