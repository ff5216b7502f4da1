"""Server-sent events: what pages are told while they are open, with a bound for each browser.

Everything here runs in the thread of the server's event loop; `EventStream.post` brings a step there from any other. An
event is encoded once and its bytes are shared. What a browser has not taken yet waits in a queue of its own, and when
that exceeds `MAX_WAITING_BYTES`, its connection is closed: the browser reconnects by itself and names the last event it
saw (`Last-Event-ID`). So neither a slow nor a dead browser costs memory, and publishing an event never waits.

At most `MAX_BROWSERS` are taken; how many of one visitor is for the caller of `join` to say. A browser to which nothing
was sent for `heartbeat_s` gets a heartbeat, so that a page can tell silence from a lost connection.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MAX_BROWSERS = 500
MAX_WAITING_BYTES = 256 << 10

HEARTBEAT_S = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_SENT_AT_ONCE_BYTES = 4 << 10

_log = logging.getLogger(__name__)


def event(name: str, data: bytes, id: str = "") -> bytes:
    """Return one event as it is sent; `data` must hold no line break, as JSON does not."""
    head = f"id: {id}\n" if id else ""
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), data)


class Browser(Response):
    """The answer to one open page of a visitor: events as they come, until the page or the stream is closed."""

    media_type = "text/event-stream"

    def __init__(self, stream: "EventStream", visitor: str) -> None:
        self.status_code = HTTPStatus.OK
        self.init_headers(HEADERS)
        self.visitor = visitor
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self._stream = stream
        self._wake = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what is queued until the page or the stream is closed."""
        self._sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait((self._sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if self._sending.done() and not self._sending.cancelled():
                self._sending.result()
        finally:
            leaving.cancel()
            self._stream.forget(self)

    def queue(self, data: bytes) -> None:
        """Send `data` once everything before it was; too much of that closes the connection."""
        self.waiting.append(data)
        self.waiting_bytes += len(data)
        if self.waiting_bytes > MAX_WAITING_BYTES:
            self._stream.drop(self)
        self._wake.set()

    def abort(self) -> None:
        """Close the connection without sending what is queued."""
        self.waiting.clear()
        if self._sending is not None:
            self._sending.cancel()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while True:
            while self.waiting:
                data = self._next()
                await send({"type": "http.response.body", "body": data, "more_body": True})
                self.waiting_bytes -= len(data)
            if self._stream.closed:
                break
            self._wake.clear()
            try:
                async with asyncio.timeout(self._stream.heartbeat_s):
                    await self._wake.wait()
            except TimeoutError:
                self.queue(self._stream.heartbeat())
        await send({"type": "http.response.body", "body": b""})

    def _next(self) -> bytes:
        """Take what is sent at once: one event, or several small ones."""
        events = [self.waiting.popleft()]
        size = len(events[0])
        while self.waiting and (size := size + len(self.waiting[0])) <= _SENT_AT_ONCE_BYTES:
            events.append(self.waiting.popleft())
        return b"".join(events)


class EventStream:
    """The browsers that listen.

    `heartbeat` returns an event that says no more than that the connection is alive; `dropped` is called for each
    browser whose connection is closed because it is too slow.
    """

    def __init__(
        self,
        heartbeat: Callable[[], bytes],
        heartbeat_s: float = HEARTBEAT_S,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self.heartbeat = heartbeat
        self.heartbeat_s = heartbeat_s
        self.closed = False
        self._dropped = dropped
        self._loop: asyncio.AbstractEventLoop | None = None
        self._browsers: set[Browser] = set()

    def __len__(self) -> int:
        return len(self._browsers)

    @property
    def full(self) -> bool:
        """Whether no further browser can be taken."""
        return len(self._browsers) >= MAX_BROWSERS

    def open_of(self, visitor: str) -> int:
        """Return how many browsers of a visitor listen."""
        return sum(browser.visitor == visitor for browser in self._browsers)

    def join(self, visitor: str) -> Browser:
        """Return the response for one more browser of the visitor; the caller has asked whether there is room."""
        self._loop = asyncio.get_running_loop()
        browser = Browser(self, visitor)
        self._browsers.add(browser)
        # Not all at once when the server comes back.
        browser.queue(b"retry: %d\n\n" % random.randint(1_000, 4_000))
        browser.queue(self.heartbeat())
        return browser

    def drop(self, browser: Browser) -> None:
        """Close the connection of a browser that is too slow."""
        if browser in self._browsers:
            _log.info("A browser takes its events too slowly; its connection is closed, and it will reconnect")
            self._dropped()
            self.forget(browser)

    def forget(self, browser: Browser) -> None:
        """Remove a browser, and close its connection if it is still open."""
        self._browsers.discard(browser)
        browser.abort()

    def send(self, data: bytes, to: Callable[[Browser], bool] = lambda browser: True) -> None:
        """Queue `data` for the browsers that `to` chooses; callable from any thread."""

        def queue() -> None:
            for browser in filter(to, list(self._browsers)):
                browser.queue(data)

        self.post(queue)

    def post(self, step: Callable[[], None]) -> None:
        """Run `step` in the loop's thread, after those before it; callable from any thread.

        Before the first browser has joined, no step could reach one; after the server's end there is no loop.
        """
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(step)

    def close(self) -> None:
        """End all streams after what is queued; callable from any thread."""
        self.closed = True
        self.send(b"")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
