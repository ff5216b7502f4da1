"""Answers over ASGI, counted and timed: one place says what an error looks like to a client."""

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
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Sequence[Header] = field(default=())


def json_answer(status: int, body: bytes, headers: Sequence[Header] = ()) -> Answer:
    """Return an answer whose `body` is JSON; no cache keeps it."""
    return Answer(status, body, [_JSON, (b"cache-control", b"no-store"), *headers])


def refusal(error: Refused) -> Answer:
    """Return the answer that tells a client why it was refused."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in error.headers.items()]
    return json_answer(error.status, msgspec.json.encode({"status": "error", "error": str(error)}), headers)


@asynccontextmanager
async def answering(
    endpoint: str, send: Send, headers: Sequence[Header] = ()
) -> AsyncIterator[Callable[[Answer], Awaitable[None]]]:
    """Give a block the function to answer by, once; a Refused that leaves the block is answered instead.

    `headers` go with each answer. Anything else that leaves the block is a mistake
    of ours: the client gets a 500 that says nothing, the log says everything.
    """
    begun = time.perf_counter()

    async def answer(with_: Answer) -> None:
        seconds = time.perf_counter() - begun
        instruments.REQUESTS.labels(endpoint, str(with_.status)).inc()
        instruments.REQUEST_SECONDS.labels(endpoint).observe(seconds)
        all_headers = [*with_.headers, *headers, *_ALWAYS]
        if with_.status not in (204, 304):
            all_headers.append((b"content-length", b"%d" % len(with_.body)))
        await send({"type": "http.response.start", "status": with_.status, "headers": all_headers})
        await send({"type": "http.response.body", "body": with_.body})

    try:
        yield answer
    except Refused as error:
        await answer(refusal(error))
    except Exception:
        _log.exception("A request to %s failed", endpoint)
        await answer(refusal(Refused(500, "this is a mistake of the server; its log says more")))
