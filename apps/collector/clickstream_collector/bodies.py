"""A request's body, from the socket to plain bytes: bounded in size and in time, gzip undone.

The bounds hold for what arrives and for what a compressed body becomes, so a small bomb stays small; both are refused
at the first byte too much. Whoever sends slower than `SLOWEST` is cut off, wherever the body stops. And because many
slow ones together could hold much, what has arrived of unfinished bodies is bounded for all requests together. So is,
apart from that, what whole ones hold while they are read and wait for Kafka: slow senders take nobody else's room.
"""

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Receive

from clickstream_collector.errors import Refused, TryAgain
from clickstream_collector.headers import Headers, elements, single

LARGEST_BODY = 1_000_000
"""Bytes, as sent and as unpacked."""

SLOWEST = 10.0
"""Seconds that a body may take."""

MOST_ARRIVING = 64 * 1024 * 1024
"""Bytes of bodies that have not arrived whole, of all requests together."""

MOST_HELD = 64 * 1024 * 1024
"""Bytes of whole bodies whose requests are not answered yet."""

_COME_AGAIN = 2
_JSON_TYPES = ("application/json", "text/plain")
_GZIP = 31  # zlib's wbits for the gzip format


@dataclass
class Arriving:
    """How many bytes there are of bodies that have not arrived whole; all requests share one."""

    size: int = 0


@dataclass
class Held:
    """How many bytes there are of requests that arrived whole and are not answered; all requests share one."""

    size: int = 0

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Hold so many bytes for the length of a block. Raises TryAgain (503) when all together would be too many."""
        if self.size + size > MOST_HELD:
            raise TryAgain(503, "too many large bodies wait for Kafka at once", _COME_AGAIN)
        self.size += size
        try:
            yield
        finally:
            self.size -= size


def check_type(headers: Headers) -> None:
    """Raise Refused (415) for a content type or charset that is not JSON in UTF-8; none at all is taken for it."""
    declared = single(headers, b"content-type")
    kind, *parameters = (part.strip().lower() for part in declared.split(";"))
    if kind and kind not in _JSON_TYPES:
        raise Refused(415, f"the content type is {declared[:100]!r}; expected application/json or text/plain")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.rstrip() == "charset" and value.lstrip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise Refused(415, f"the charset is {value[:100]!r}; expected utf-8")


async def read_body(headers: Headers, receive: Receive, arriving: Arriving, slowest: float = SLOWEST) -> bytes:
    """Return the body, unpacked. `slowest` is in seconds.

    Raises Refused: 415 for an encoding other than gzip, 413 when it is too large, 408 when it is too slow, 400 when it
    is not what its encoding says, or breaks off, and 503 when too much is arriving.
    """
    encodings = [each for each in elements(headers, b"content-encoding") if each.lower() != "identity"]
    if len(encodings) > 1 or (encodings and encodings[0].lower() not in ("gzip", "x-gzip")):
        raise Refused(415, f"the content encoding is {', '.join(encodings)[:100]!r}; expected gzip or none")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and (len(length) > 15 or int(length) > LARGEST_BODY):
        raise _too_large()
    try:
        async with asyncio.timeout(slowest):
            body = await _received(receive, arriving)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {slowest:g} s", {"Connection": "close"}) from error
    return _unpacked(body) if encodings else body


async def _received(receive: Receive, arriving: Arriving) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > LARGEST_BODY:
            raise _too_large()
        return whole
    parts, size = [], 0
    try:
        while True:
            if message["type"] == "http.disconnect":
                raise Refused(400, "the body broke off before its end", {"Connection": "close"})
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            arriving.size += len(part)
            if size > LARGEST_BODY:
                raise _too_large()
            if not message.get("more_body"):
                return b"".join(parts)
            if arriving.size > MOST_ARRIVING:
                raise TryAgain(503, "too many large bodies are arriving at once", _COME_AGAIN)
            message = await receive()
    finally:
        arriving.size -= size


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP)
    try:
        unpacked = unpacker.decompress(body, LARGEST_BODY + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not gzip: {error}") from error
    if len(unpacked) > LARGEST_BODY:
        raise _too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise Refused(400, f"the body is not gzip: it {'goes on after the end' if unpacker.eof else 'ends too early'}")
    return unpacked


def _too_large() -> Refused:
    message = f"the body is larger than {LARGEST_BODY} bytes; send fewer events at once"
    return Refused(413, message, {"Connection": "close"})
