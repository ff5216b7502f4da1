"""A body's JSON: one value, or an array of events.

The elements of an array stay the bytes that were sent, because an event's size is measured on them, and each is decoded
separately: an invalid one is no reason to refuse the others. So an array that the decoder refuses is split at the
commas between its elements, outside of strings and brackets.

Accepted is strict JSON in UTF-8, with two additions that clients send: a byte order mark before it (RFC 8259 allows
readers to ignore it), and halves of surrogate pairs, `"\\ud83d"`, which slicing strings in JavaScript produces. Half a
pair is not a character and can't be encoded in UTF-8; it becomes U+FFFD.
"""

import re
from typing import Any

import msgspec

from clickstream_collector.errors import NotAnEvent, NotJson, Refused
from clickstream_core.nesting import MAX_DEPTH, too_deep

MAX_EVENT_BYTES = 64_000  # of one event's JSON
MAX_EVENTS = 10_000  # in one array

_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITESPACE = b" \t\r\n"
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_HALVES = re.compile(
    rb"""
    ( (?: [^\\]++ | \\[^u] | \\u(?![dD][89a-fA-F]) | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2} )*+ )
    (?: ( \\u[dD][89a-fA-F][0-9a-fA-F]{2} ) | \\?+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_ARRAY = re.compile(rb'(?:[^"\[\]{},]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[{]++|[\]}]++|,|)', re.DOTALL)
_IN_ELEMENT = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[{]++|[\]}]++|)', re.DOTALL)
_MAX_CUTS = 50_000
"""Brackets and commas that are examined in an array that the decoder refuses: some 30 ms of work."""


def text_of(body: bytes) -> bytes:
    """Return the JSON text of a body, without byte order mark and surrounding white space."""
    return body.removeprefix(_BYTE_ORDER_MARK).strip(_WHITESPACE)


def parse(body: bytes) -> Any:
    """Return the JSON value; for an array the list of its elements, each a msgspec.Raw.

    Raises NotJson, and Refused (413) for an array of more than MAX_EVENTS.
    """
    text = text_of(body)
    if text[:1] != b"[":
        return _decoded(text)
    try:
        elements = _split(text)
    except _BROKEN as error:
        cut = _cut(text)
        if cut is None:
            raise _not_json(error) from error
        elements = cut
    if len(elements) > MAX_EVENTS:
        raise Refused(413, f"the array has more than {MAX_EVENTS} events, which is the limit")
    return elements


def decode_element(element: msgspec.Raw) -> Any:
    """Return the JSON value of an array's element. Raises NotJson, and NotAnEvent if it is too large."""
    value = _decoded(bytes(element))
    size = len(memoryview(element))
    if size > MAX_EVENT_BYTES:
        raise too_large(size)
    return value


def with_whole_pairs(text: bytes) -> bytes:
    r"""Return the JSON text with `\ufffd` for each half of a surrogate pair; whole pairs stay."""
    return _HALVES.sub(lambda found: found[1] + rb"\ufffd" if found[2] else found[0], text)


def too_large(size: int) -> NotAnEvent:
    """Return the error for an event of `size` bytes, which is too large."""
    return NotAnEvent("too_large", f"the event has {size} bytes; at most {MAX_EVENT_BYTES} are allowed")


def _decoded(text: bytes) -> Any:
    if too_deep(text):
        raise NotJson(f"not JSON: nested more than {MAX_DEPTH} levels deep")
    try:
        if not text.isascii():
            str(text, "utf-8")
        return _decode(text)
    except _BROKEN as error:
        whole = with_whole_pairs(text) if len(text) <= MAX_EVENT_BYTES else text
        if whole == text:
            raise _not_json(error) from error
    try:
        return _decode(whole)
    except _BROKEN as error:
        raise _not_json(error) from error


def _cut(array: bytes) -> list[msgspec.Raw] | None:
    """Return the elements of an array, at most one more than MAX_EVENTS; None if it has no end or a gap."""
    elements: list[msgspec.Raw] = []
    depth = start = at = 1
    for _ in range(_MAX_CUTS):
        token = (_IN_ARRAY if depth == 1 else _IN_ELEMENT).match(array, at)
        if token is None or not token[1]:
            return None
        at = token.end()
        if token[1][0] in b"[{":
            depth += len(token[1])
            continue
        if token[1] != b",":
            depth -= len(token[1])
            if depth > 0:
                continue
            if depth < 0 or at != len(array) or array[-1:] != b"]":
                return None
        element = array[start : at - 1].strip(_WHITESPACE)
        if not element:
            return None
        elements.append(msgspec.Raw(element))
        start = at
        if depth == 0 or len(elements) > MAX_EVENTS:
            return elements
    return None


def _not_json(error: Exception) -> NotJson:
    return NotJson(f"not JSON: {error}")
