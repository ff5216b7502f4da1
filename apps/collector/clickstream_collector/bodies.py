"""A request's body, from the socket to plain bytes: bounded in size and in time, gzip undone.

The limits apply to a body as it arrives and as it is unpacked, so a zip bomb stays small; both are refused at the first
byte too many. A body that takes longer than `BODY_TIMEOUT_S` is cut off wherever it stops. Many slow bodies together
could take much memory, so the bytes of unfinished bodies are limited for all requests together. Complete bodies, while
they are parsed and wait for Kafka, have a separate limit, so slow clients take no room from others.
"""

import asyncio
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from starlette.types import Receive

from clickstream_collector.errors import Refused, TryAgain
from clickstream_collector.headers import Headers, elements, single

MAX_BODY_BYTES = 1_000_000  # as sent and as unpacked
BODY_TIMEOUT_S = 10.0
DISCARD_TIMEOUT_S = 2.0
MAX_ARRIVING_BYTES = 64 * 1024 * 1024  # of bodies that have not arrived completely, of all requests together

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Of complete bodies whose requests have not been answered, of all requests together."""

_RETRY_AFTER_S = 2
_JSON_TYPES = ("application/json", "text/plain")
_GZIP_WBITS = 31  # zlib's wbits for the gzip format


@dataclass
class Arriving:
    """The size in bytes of all bodies that have not arrived completely; all requests share one."""

    size: int = 0


@dataclass
class Held:
    """The size in bytes of all complete, unanswered requests; all requests share one."""

    size: int = 0

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count `size` bytes while a block runs. Raises TryAgain (503) if all together would be too many."""
        if self.size + size > MAX_HELD_BYTES:
            raise TryAgain(503, "too many large bodies wait for Kafka at once", _RETRY_AFTER_S)
        self.size += size
        try:
            yield
        finally:
            self.size -= size


def check_type(headers: Headers) -> None:
    """Raise Refused (415) for a content type or charset other than JSON in UTF-8, which is also the default."""
    declared = single(headers, b"content-type")
    kind, *parameters = (part.strip().lower() for part in declared.split(";"))
    if kind and kind not in _JSON_TYPES:
        raise Refused(415, f"the content type is {declared[:100]!r}; expected application/json or text/plain")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.rstrip() == "charset" and value.lstrip().strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise Refused(415, f"the charset is {value[:100]!r}; expected utf-8")


async def read_body(headers: Headers, receive: Receive, arriving: Arriving, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the body, unpacked.

    Raises Refused: 415 for an encoding other than gzip, 413 if it is too large, 408 if it is too slow, 400 if it is not
    valid gzip or is incomplete, and 503 if too many bytes are arriving.
    """
    encodings = [each for each in elements(headers, b"content-encoding") if each.lower() != "identity"]
    if len(encodings) > 1 or (encodings and encodings[0].lower() not in ("gzip", "x-gzip")):
        raise Refused(415, f"the content encoding is {', '.join(encodings)[:100]!r}; expected gzip or none")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and (len(length) > 15 or int(length) > MAX_BODY_BYTES):
        raise _too_large()
    try:
        async with asyncio.timeout(timeout_s):
            body = await _received(receive, arriving)
    except TimeoutError as error:
        raise Refused(408, f"the body did not arrive within {timeout_s:g} s", {"Connection": "close"}) from error
    return _unpacked(body) if encodings else body


async def discard_body(receive: Receive, timeout_s: float = DISCARD_TIMEOUT_S) -> None:
    """Read a body of a usual size that is not needed, and keep nothing of it.

    A connection that is closed while its client is still sending is reset, and the client may never see the answer.
    """
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while size <= MAX_BODY_BYTES:
                message = await receive()
                if not message.get("more_body"):
                    return
                size += len(message.get("body", b""))


async def _received(receive: Receive, arriving: Arriving) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        whole: bytes = message.get("body", b"")
        if len(whole) > MAX_BODY_BYTES:
            raise _too_large()
        return whole
    parts, size = [], 0
    try:
        while True:
            if message["type"] == "http.disconnect":
                raise Refused(400, "the body is incomplete", {"Connection": "close"})
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            arriving.size += len(part)
            if size > MAX_BODY_BYTES:
                raise _too_large()
            if not message.get("more_body"):
                return b"".join(parts)
            if arriving.size > MAX_ARRIVING_BYTES:
                raise TryAgain(503, "too many large bodies are arriving at once", _RETRY_AFTER_S)
            message = await receive()
    finally:
        arriving.size -= size


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP_WBITS)
    try:
        unpacked = unpacker.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Refused(400, f"the body is not gzip: {error}") from error
    if len(unpacked) > MAX_BODY_BYTES:
        raise _too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise Refused(
            400, f"the body is not gzip: it {'continues after its end' if unpacker.eof else 'ends too early'}"
        )
    return unpacked


def _too_large() -> Refused:
    message = f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer events at once"
    return Refused(413, message, {"Connection": "close"})
