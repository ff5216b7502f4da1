"""A body's JSON: one value, or an array of events.

An array's elements stay the bytes that were sent, because an event's size is measured there, and each is decoded by
itself when its turn comes: one that can't be read is no reason to refuse its neighbours. So where the decoder does not
get through an array, it is cut at the commas between its elements, which only strings and brackets can hide.

What the decoder takes is strict JSON in UTF-8, with two things that others write: a byte order mark before it (RFC 8259
lets a reader ignore it), and halves of surrogate pairs, `"\\ud83d"`, which JavaScript's slices of texts leave behind.
Half a pair is no character and can't be UTF-8; it becomes U+FFFD.
"""

import re
from typing import Any

import msgspec

from clickstream_collector.errors import NotAnEvent, NotJson, Refused
from clickstream_core.nesting import MAX_DEPTH, too_deep

LARGEST_EVENT = 64_000
"""Bytes of one event's JSON."""

MOST_EVENTS = 10_000
"""Elements of one array."""

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
_MOST_CUTS = 50_000
"""Brackets and commas at which an array is looked at that the decoder does not get through: some 30 ms of work."""


def text_of(body: bytes) -> bytes:
    """Return the JSON text of a body: without a byte order mark and what is around it."""
    return body.removeprefix(_BYTE_ORDER_MARK).strip(_WHITESPACE)


def parse(body: bytes) -> Any:
    """Return the JSON value; of an array the elements, each as a msgspec.Raw.

    Raises NotJson, and Refused (413) for an array of more than MOST_EVENTS.
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
    if len(elements) > MOST_EVENTS:
        raise Refused(413, f"the array has more than {MOST_EVENTS} events; that many are allowed at once")
    return elements


def decode_element(element: msgspec.Raw) -> Any:
    """Return the JSON value of an array's element. Raises NotJson, and NotAnEvent when it is too large."""
    value = _decoded(bytes(element))
    size = len(memoryview(element))
    if size > LARGEST_EVENT:
        raise too_large(size)
    return value


def mended(text: bytes) -> bytes:
    r"""Return a JSON text in which each half of a surrogate pair is `\ufffd`; whole pairs and all else stay."""
    return _HALVES.sub(lambda found: found[1] + rb"\ufffd" if found[2] else found[0], text)


def too_large(size: int) -> NotAnEvent:
    """An event of `size` bytes is larger than one may be."""
    return NotAnEvent("too_large", f"the event has {size} bytes; at most {LARGEST_EVENT} are allowed")


def _decoded(text: bytes) -> Any:
    if too_deep(text):
        raise NotJson(f"not JSON: nested more than {MAX_DEPTH} levels deep")
    try:
        if not text.isascii():
            str(text, "utf-8")
        return _decode(text)
    except _BROKEN as error:
        whole = mended(text) if len(text) <= LARGEST_EVENT else text
        if whole == text:
            raise _not_json(error) from error
    try:
        return _decode(whole)
    except _BROKEN as error:
        raise _not_json(error) from error


def _cut(array: bytes) -> list[msgspec.Raw] | None:
    """Return the elements of an array, at most one more than MOST_EVENTS; None when it has no end or a gap."""
    elements: list[msgspec.Raw] = []
    depth = start = at = 1
    for _ in range(_MOST_CUTS):
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
        if depth == 0 or len(elements) > MOST_EVENTS:
            return elements
    return None


def _not_json(error: Exception) -> NotJson:
    return NotJson(f"not JSON: {error}")
