"""A body's JSON: one value, or an array of events.

An array's elements stay the bytes that were sent, because an event's size is measured there, and each is decoded by
itself when its turn comes. What the decoder takes is strict JSON in UTF-8, so an answer may repeat it as it is.
"""

from typing import Any

import msgspec

from clickstream_collector.errors import NotAnEvent, NotJson, Refused

LARGEST_EVENT = 64_000
"""Bytes of one event's JSON."""

MOST_EVENTS = 10_000
"""Elements of one array."""

_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_WHITESPACE = b" \t\r\n"
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse(body: bytes) -> Any:
    """Return the JSON value; of an array the elements, each as a msgspec.Raw.

    Raises NotJson, and Refused (413) for an array of more than MOST_EVENTS.
    """
    try:
        if not body.isascii():
            str(body, "utf-8")
        if body.lstrip(_WHITESPACE)[:1] != b"[":
            return _decode(body)
        elements = _split(body)
    except _BROKEN as error:
        raise _not_json(error) from error
    if len(elements) > MOST_EVENTS:
        raise Refused(413, f"the array has {len(elements)} events; at most {MOST_EVENTS} are allowed at once")
    return elements


def decode_element(element: msgspec.Raw) -> Any:
    """Return the JSON value of an array's element. Raises NotJson, and NotAnEvent when it is too large."""
    size = len(memoryview(element))
    try:
        value = _decode(element)
    except _BROKEN as error:
        raise _not_json(error) from error
    if size > LARGEST_EVENT:
        raise too_large(size)
    return value


def too_large(size: int) -> NotAnEvent:
    """An event of `size` bytes is larger than one may be."""
    return NotAnEvent("too_large", f"the event has {size} bytes; at most {LARGEST_EVENT} are allowed")


def _not_json(error: Exception) -> NotJson:
    return NotJson(f"not JSON: {error}")
