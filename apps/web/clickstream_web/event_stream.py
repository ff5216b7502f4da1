"""Server-sent events for open pages, with a bound for each browser.

Everything here runs in the thread of the server's event loop; `EventStream.post` brings a step there from any other. An
event is encoded once and its bytes are shared. Events that a browser has not read wait in its own queue. When that
exceeds `MAX_WAITING_BYTES`, the connection is closed; the browser reconnects by itself and names the last event it saw
(`Last-Event-ID`). So neither a slow nor a dead browser costs memory, and publishing an event never waits. A browser
that has been sent nothing for `heartbeat_s` gets a heartbeat: its page can tell silence from a lost connection.

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

_MAX_CHUNK_BYTES = 4 << 10

_log = logging.getLogger(__name__)


def event(name: str, data: bytes, id: str = "") -> bytes:
    """Encode one event; `data` must not contain a line break, which JSON never does."""
    head = f"id: {id}\n" if id else ""
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), data)


class Browser(Response):
    """The response to one open page of a visitor: events as they happen, until the page or the stream is closed."""

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
        """Send `data` after everything that is queued; too long a queue closes the connection."""
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
        """Take what is sent next: one event, or several small ones."""
        events = [self.waiting.popleft()]
        size = len(events[0])
        while self.waiting and (size := size + len(self.waiting[0])) <= _MAX_CHUNK_BYTES:
            events.append(self.waiting.popleft())
        return b"".join(events)


class EventStream:
    """The connected browsers.

    `heartbeat` returns the event that keeps a connection alive; `dropped` is called for each browser whose connection
    is closed because it reads too slowly.
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
        return len(self._browsers) >= MAX_BROWSERS

    def open_of(self, visitor: str) -> int:
        return sum(browser.visitor == visitor for browser in self._browsers)

    def join(self, visitor: str) -> Browser:
        """Return the response for one more browser of the visitor; the caller has checked that there is room."""
        self._loop = asyncio.get_running_loop()
        browser = Browser(self, visitor)
        self._browsers.add(browser)
        # So that they don't all reconnect at once after a restart.
        browser.queue(b"retry: %d\n\n" % random.randint(1_000, 4_000))
        browser.queue(self.heartbeat())
        return browser

    def drop(self, browser: Browser) -> None:
        """Close the connection of a browser that reads too slowly."""
        if browser in self._browsers:
            _log.info("Closed the connection of a browser that reads its events too slowly; it will reconnect")
            self._dropped()
            self.forget(browser)

    def forget(self, browser: Browser) -> None:
        """Remove a browser, and close its connection if it is still open."""
        self._browsers.discard(browser)
        browser.abort()

    def send(self, data: bytes, to: Callable[[Browser], bool] = lambda browser: True) -> None:
        """Queue `data` for the browsers that `to` selects; callable from any thread."""

        def queue() -> None:
            for browser in filter(to, list(self._browsers)):
                browser.queue(data)

        self.post(queue)

    def post(self, step: Callable[[], None]) -> None:
        """Run `step` in the loop's thread, after earlier ones; callable from any thread.

        Nothing runs before the first browser has joined or after the server has ended.
        """
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(step)

    def close(self) -> None:
        """End all streams when their queues are empty; callable from any thread."""
        self.closed = True
        self.send(b"")


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
