"""HTTP answers over ASGI, counted and timed, and the form of errors."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from starlette.types import Send

from clickstream_collector import instruments
from clickstream_collector.errors import Refused

Header = tuple[bytes, bytes]

_JSON = (b"content-type", b"application/json")
_ALWAYS: Sequence[Header] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Sequence[Header] = field(default=())


def json_answer(status: int, body: bytes, headers: Sequence[Header] = ()) -> Answer:
    """Return an answer whose `body` is JSON and must not be cached."""
    return Answer(status, body, [_JSON, (b"cache-control", b"no-store"), *headers])


def refusal(error: Refused) -> Answer:
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in error.headers.items()]
    return json_answer(error.status, msgspec.json.encode({"status": "error", "error": str(error)}), headers)


@asynccontextmanager
async def answering(
    endpoint: str, send: Send, headers: Sequence[Header] = ()
) -> AsyncIterator[Callable[[Answer], Awaitable[None]]]:
    """Yield the function that sends the answer, to be called once; a Refused that the block raises is sent instead.

    `headers` are added to each answer. Any other exception is a bug: the client gets 500 without details, the log has
    the traceback.
    """
    begun = time.perf_counter()

    async def answer(what: Answer) -> None:
        seconds = time.perf_counter() - begun
        instruments.REQUESTS.labels(endpoint, str(what.status)).inc()
        instruments.REQUEST_SECONDS.labels(endpoint).observe(seconds)
        all_headers = [*what.headers, *headers, *_ALWAYS]
        if what.status not in (204, 304):
            all_headers.append((b"content-length", b"%d" % len(what.body)))
        await send({"type": "http.response.start", "status": what.status, "headers": all_headers})
        await send({"type": "http.response.body", "body": what.body})

    try:
        yield answer
    except Refused as error:
        await answer(refusal(error))
    except Exception:
        _log.exception("A request to %s failed", endpoint)
        await answer(refusal(Refused(500, "internal server error")))
