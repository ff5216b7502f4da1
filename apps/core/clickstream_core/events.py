"""The event record (docs/records.md#event): what producers write, and what the metrics need of it.

Producers write all eleven fields of `Event`. The processor reads `CountedEvent`, the eight that it counts; the others
may be missing, and unknown ones are ignored. The fast path only detects that a record is not such an event. A slow and
exact path then finds the reason, with which the record goes to the dead letters.

Two spellings that senders can't avoid are accepted: whole numbers as `5.0` or `1e3`, which Spark, pandas and JavaScript
write, and half a surrogate pair, left when a string is cut inside an emoji, as U+FFFD (WHATWG's `toWellFormed`). A long
name or id is cut when it is read (`cut_name`), so that memory and results are bounded for any events.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NoReturn

import msgspec

from clickstream_core.errors import InvalidEvent
from clickstream_core.nesting import MAX_DEPTH, SHALLOW_BYTES, too_deep
from clickstream_core.timestamps import parse_timestamp

MAX_FIELD_BYTES = 8192  # in UTF-8, of a counted name or id
MAX_NAME_BYTES = 256  # in UTF-8, of a name or id that is counted unchanged
_KEPT_BYTES = 200
_HASH_DIGITS = 16
_SHORT_LENGTH = MAX_NAME_BYTES // 4  # characters of a name that can't have more than MAX_NAME_BYTES

_SHORT_BYTES = MAX_NAME_BYTES + len(
    '{"timestamp":"","user_id":"","session_id":"","event_type":"","page_url":"","referrer":"","device_type":"",'
    '"duration_ms":0}'
)
"""A value of this size contains no long name: the eight required fields take the rest."""

_MAX_DURATION_MS = 2**63 - 1

_PAIR_OR_HALF = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Any escape in a JSON string, and a surrogate pair as one; the group is half a pair."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One action of one user; `timestamp` is RFC 3339 in UTC with milliseconds, `duration_ms` the time on the page."""

    event_id: str
    timestamp: str
    user_id: str
    session_id: str
    event_type: str
    page_url: str
    page_category: str
    referrer: str
    device_type: str
    country: str
    duration_ms: int


class CountedEvent(msgspec.Struct, gc=False):
    """The fields of an event from which the window metrics are computed."""

    timestamp: str
    user_id: str
    session_id: str
    event_type: str
    page_url: str
    referrer: str
    device_type: str
    duration_ms: Annotated[int, msgspec.Meta(ge=0, le=_MAX_DURATION_MS)]


_NAMES = CountedEvent.__struct_fields__[1:-1]
"""The names and ids among them."""


class _UsualEvent(CountedEvent, gc=False):
    """A counted event with a known type and device: they are shared strings, not new ones for each event."""

    event_type: Literal["page_view", "click", "add_to_cart", "purchase", "search"]
    device_type: Literal["mobile", "desktop", "tablet"]


class _LooseEvent(CountedEvent, gc=False):
    """A counted event whose duration may be a double, until `_make_whole` has converted it."""

    duration_ms: (  # type: ignore[assignment]  # wider than in the events that leave this module
        Annotated[int, msgspec.Meta(ge=0, le=_MAX_DURATION_MS)]
        | Annotated[float, msgspec.Meta(ge=0, lt=_MAX_DURATION_MS + 1)]
    )


encode_event = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of an `Event`."""

_decode = msgspec.json.Decoder(CountedEvent).decode
_decode_loosely = msgspec.json.Decoder(_LooseEvent).decode
_decode_usual = msgspec.json.Decoder(_UsualEvent).decode


def decode_event(value: bytes | None) -> CountedEvent:
    """Return the counted fields of a record's value, long names cut. The timestamp is not parsed.

    Raises InvalidEvent with the reason not_json, not_object, missing_field or wrong_type.
    """
    if value is None:
        raise InvalidEvent("not_json", "the record has no value")
    try:
        event = _decode_one(value)
        if not value.isascii():
            value.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = _decode_exactly(value)
    _check_depth(value)
    if len(value) > MAX_FIELD_BYTES:
        _check_lengths(event)
    if len(value) > _SHORT_BYTES:
        _cut_names((event,))
    return event


def decode_events(values: Sequence[bytes | None]) -> list[CountedEvent] | None:
    """Return what `decode_event` returns for each value, or None if it would raise for one of them.

    For many values at once this takes three quarters of the time of `decode_event`.
    """
    try:
        joined = b"".join(values)  # type: ignore[arg-type]  # None raises TypeError
        try:
            events = _decoded(values)  # type: ignore[arg-type]
        except msgspec.DecodeError:
            if b"\\ud" not in joined and b"\\uD" not in joined:
                return None
            events = _decoded([with_whole_pairs(value) for value in values])  # type: ignore[arg-type]
        if not joined.isascii():
            for value in values:
                str(value, "utf-8")  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return None
    longest = max(map(len, values), default=0)  # type: ignore[arg-type]
    if longest > MAX_FIELD_BYTES or (longest > SHALLOW_BYTES and any(map(too_deep, values))):  # type: ignore[arg-type]
        return None
    if longest > _SHORT_BYTES:
        _cut_names(events)
    return events


def cut_name(name: str) -> str:
    """Return the name, or id, as it is counted: unchanged, or cut if it has more than MAX_NAME_BYTES in UTF-8.

    Of a longer one the first 200 bytes are kept, without a character that is cut in two, then "..." and the first 16
    hexadecimal digits of the SHA-256 of all its bytes, so that an independent recount can do the same.
    """
    if len(name) <= _SHORT_LENGTH:
        return name
    if len(name) <= MAX_NAME_BYTES and name.isascii():
        return name
    encoded = name.encode()
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    beginning = encoded[:_KEPT_BYTES].decode(errors="ignore")
    return f"{beginning}...{hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]}"


def _cut_names(events: Iterable[CountedEvent]) -> None:
    """Cut each counted string; short ones, which are most, are not looked at further."""
    for event in events:
        if len(event.page_url) > _SHORT_LENGTH:
            event.page_url = cut_name(event.page_url)
        if len(event.referrer) > _SHORT_LENGTH:
            event.referrer = cut_name(event.referrer)
        if len(event.user_id) > _SHORT_LENGTH:
            event.user_id = cut_name(event.user_id)
        if len(event.session_id) > _SHORT_LENGTH:
            event.session_id = cut_name(event.session_id)
        if len(event.event_type) > _SHORT_LENGTH:
            event.event_type = cut_name(event.event_type)
        if len(event.device_type) > _SHORT_LENGTH:
            event.device_type = cut_name(event.device_type)


def _decoded(values: Sequence[bytes]) -> list[CountedEvent]:
    """Decode all values; from the first that a decoder refuses on, use the next decoder, which accepts more."""
    events: list[CountedEvent] = []
    for decode in (_decode_usual, _decode):
        try:
            events.extend(map(decode, values[len(events) :]))  # what was decoded before it raises stays in the list
            return events
        except msgspec.ValidationError:
            pass
    return events + [_make_whole(_decode_loosely(value)) for value in values[len(events) :]]


def _decode_one(value: bytes) -> CountedEvent:
    try:
        return _decode(value)
    except msgspec.ValidationError:
        return _make_whole(_decode_loosely(value))


def _make_whole(event: CountedEvent) -> CountedEvent:
    """Turn the duration 5.0 of the event into 5. Raises msgspec.ValidationError for 5.5."""
    whole = int(event.duration_ms)
    if whole != event.duration_ms:
        raise msgspec.ValidationError("a fraction of a millisecond")
    event.duration_ms = whole
    return event


def with_whole_pairs(value: bytes) -> bytes:
    """Return the JSON text with U+FFFD for each half of a surrogate pair."""
    return _PAIR_OR_HALF.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], value)


def _decode_exactly(value: bytes) -> CountedEvent:
    """Find out why the decoder refused `value`, from all of it and not only the first error.

    If nothing is wrong (a field is repeated and the last one counts, or half a surrogate pair), return the event.
    """
    fields = _object(with_whole_pairs(value))
    timestamp = _usable_timestamp(fields.get("timestamp"))
    for name in CountedEvent.__struct_fields__:
        if name not in fields:
            raise InvalidEvent("missing_field", f"{name} is missing", timestamp)
    for name in CountedEvent.__struct_fields__:
        expected = _expected_instead(name, fields[name])
        if expected:
            raise InvalidEvent("wrong_type", f"{name} must be {expected}, not {shown(fields[name])}", timestamp)
    fields["duration_ms"] = int(fields["duration_ms"])
    return CountedEvent(*(fields[name] for name in CountedEvent.__struct_fields__))


def _object(value: bytes) -> dict[str, Any]:
    _check_depth(value)
    try:
        parsed = json.loads(value.decode(), parse_constant=_refuse_constant, parse_int=_bounded_int)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent("not_json", f"not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise InvalidEvent("not_object", f"a JSON object was expected, not {shown(parsed)}")
    return parsed


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _bounded_int(digits: str) -> int | float:
    return int(digits) if len(digits) < 40 else float("inf")


def _expected_instead(name: str, value: object) -> str | None:
    """Return in words what the field must be, or None when its value is valid."""
    if name != "duration_ms":
        return None if isinstance(value, str) else "a string"
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    fine = whole and 0 <= value <= _MAX_DURATION_MS  # type: ignore[operator]  # a number, which mypy does not see
    return None if fine else f"an integer from 0 to {_MAX_DURATION_MS}"


def _usable_timestamp(timestamp: Any) -> int | None:
    try:
        return parse_timestamp(timestamp)
    except (TypeError, ValueError):
        return None


def _check_depth(value: bytes) -> None:
    if too_deep(value):
        raise InvalidEvent("not_json", f"not JSON: nested more than {MAX_DEPTH} levels deep")


def _check_lengths(event: CountedEvent) -> None:
    for name in _NAMES:
        length = len(getattr(event, name).encode())
        if length > MAX_FIELD_BYTES:
            why = f"{name} must be a string of at most {MAX_FIELD_BYTES} bytes, not {length}"
            raise InvalidEvent("wrong_type", why, _usable_timestamp(event.timestamp))


def shown(value: object) -> str:
    """Return a value for use in a message: in ASCII, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
