"""Server-sent events: what the page is told while it is open.

One thread serves all browsers, on sockets that never block. An event is encoded once and its bytes are shared; what a
browser has not taken yet waits in a queue of its own, and when that exceeds `MAX_WAITING` bytes, the connection is
closed: the browser comes back by itself, with the position of the last event it saw (`Last-Event-ID`), and is sent what
it has missed, or told to load everything anew when that is much. So neither a slow nor a dead browser costs memory, and
whoever publishes an event never waits: it only leaves the event in the thread's inbox.

Events are `window` (the metrics record; its id is the position behind it), `status` (the condition; also the heartbeat,
so that the page can tell a silent topic from a lost connection) and `reload`. Until the history has been read, a
browser is only told the status.

At most `MAX_BROWSERS` are taken, and of one visitor so many as `most_of_one` says. The API looks for room before it
answers, because a refusal has a status; of those that come at the same moment, this closes the ones too many.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import logging
import math
import random
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import msgspec

from clickstream_consumer.history import Kept, Position, WindowHistory, write_position

_log = logging.getLogger(__name__)
MAX_BROWSERS = 500
MAX_WAITING = 256 << 10
_MAX_MISSED = 128 << 10
_SEND_BUFFER = 64 << 10
_HEARTBEAT_SECONDS = 15.0
_UNACKNOWLEDGED_MS = 60_000


def event(name: str, data: bytes, id: str = "") -> bytes:
    """Return one event as it goes over the wire; `data` must hold no line break, as JSON does not."""
    head = f"id: {id}\n" if id else ""
    return b"%sevent: %s\ndata: %s\n\n" % (head.encode(), name.encode(), data)


class _Browser:
    """A visitor's connection and what it has not taken yet. `after` is None for one that only wants what is new."""

    def __init__(self, connection: socket.socket, after: Position | None, visitor: str) -> None:
        self.connection = connection
        self.visitor = visitor
        self.after = after
        self.joined = False
        self.waiting: deque[bytes | memoryview] = deque()
        self.waiting_bytes = 0

    def queue(self, data: bytes) -> None:
        self.waiting.append(data)
        self.waiting_bytes += len(data)

    def flush(self) -> None:
        """Send what the connection takes. Raises OSError when it is gone."""
        while self.waiting:
            try:
                sent = self.connection.send(self.waiting[0])
            except BlockingIOError:
                return
            self.waiting_bytes -= sent
            if sent < len(self.waiting[0]):
                self.waiting[0] = memoryview(self.waiting[0])[sent:]
            else:
                self.waiting.popleft()


class EventStream:
    """The browsers that listen; a context manager whose thread runs inside the `with` block.

    `dropped` is called, in that thread, for each browser whose connection is closed because it is too slow;
    `most_of_one` is how many one visitor may have.
    """

    def __init__(
        self,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
        dropped: Callable[[], None] = lambda: None,
        most_of_one: float = math.inf,
    ) -> None:
        self._history: WindowHistory | None = None
        self._dropped = dropped
        self._most_of_one = most_of_one
        self._heartbeat_seconds = heartbeat_seconds
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._inbox: deque[Callable[[], None]] = deque()
        self._browsers: set[_Browser] = set()
        self._of_visitor: Counter[str] = Counter()
        self._status = event("status", b'{"condition":"connecting"}')
        self._complete = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="event-stream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake()
        self._thread.join(timeout=5)

    def __len__(self) -> int:
        return len(self._browsers)

    @property
    def full(self) -> bool:
        """Whether no further browser can be taken."""
        return len(self._browsers) >= MAX_BROWSERS

    def open_of(self, visitor: str) -> int:
        """Return how many browsers of a visitor listen."""
        return self._of_visitor[visitor]

    def follow(self, history: WindowHistory) -> None:
        """Say where missed windows are looked up."""
        self._history = history

    # -- from any thread ----------------------------------------------------------------------------------------------

    def window(self, kept: Kept, position: str) -> None:
        """Tell the browsers a new result; `position` lies behind it. Nothing while the history is still being read."""
        if self._complete:
            self._send_to_all(event("window", kept.json, position))

    def status(self, condition: str) -> None:
        """Tell the browsers where the consumer stands, when that has changed."""
        status = event("status", msgspec.json.encode({"condition": condition}))
        if status != self._status:
            self._status = status
            self._send_to_all(status)

    def history_is_complete(self) -> None:
        """From here on results are new; browsers that came before are told what they do not have."""
        if not self._complete:
            self._complete = True
            self._do(self._join_all)

    def take(self, connection: socket.socket, after: Position | None, visitor: str = "") -> None:
        """Make the visitor's connection a listener; what came after the position `after` is sent first."""
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a browser that vanished without a word
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        self._do(lambda: self._welcome(_Browser(connection, after, visitor)))

    def _send_to_all(self, data: bytes) -> None:
        self._do(lambda: self._broadcast(data))

    def _do(self, step: Callable[[], None]) -> None:
        self._inbox.append(step)
        self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b"!")
        except BlockingIOError:  # it has not read the earlier ones yet: it will look into the inbox
            return
        except OSError:  # closed already
            return

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        beat_at = time.monotonic() + self._heartbeat_seconds
        while not self._closing:
            for key, ready in self._selector.select(max(0.0, beat_at - time.monotonic())):
                if key.data is None:
                    self._woken.recv(4096)
                else:
                    self._serve(key.data, ready)
            while self._inbox:
                self._inbox.popleft()()
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._heartbeat_seconds
                self._broadcast(self._status)
        for browser in list(self._browsers):
            self._drop(browser)
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _welcome(self, browser: _Browser) -> None:
        if self.full or self._of_visitor[browser.visitor] >= self._most_of_one:
            browser.connection.close()
            return
        self._browsers.add(browser)
        self._of_visitor[browser.visitor] += 1
        self._selector.register(browser.connection, selectors.EVENT_READ, browser)
        # Not all at once when a consumer comes back.
        browser.queue(b"retry: %d\n\n" % random.randint(1_000, 4_000))
        browser.queue(self._status)
        if self._complete:
            self._join(browser)
        else:
            self._push(browser)

    def _join_all(self) -> None:
        for browser in list(self._browsers):
            self._join(browser)

    def _join(self, browser: _Browser) -> None:
        """Bring the browser up to date; from now on it gets every window.

        A window that was published meanwhile may follow once more: the page keeps one result per window.
        """
        if browser.joined:
            return
        browser.joined = True
        if browser.after is not None and self._history is not None:
            position = self._history.position()
            missed = self._history.since(browser.after, _MAX_MISSED)
            if missed is None:
                browser.queue(event("reload", b"{}", position))
            else:
                reached = dict(browser.after)
                for kept in missed:
                    reached[kept.partition] = kept.offset + 1
                    browser.queue(event("window", kept.json, write_position(reached)))
        self._push(browser)

    def _broadcast(self, data: bytes) -> None:
        is_window = data.startswith(b"id: ")
        for browser in list(self._browsers):
            if browser.joined or not is_window:
                browser.queue(data)
                self._push(browser)

    def _serve(self, browser: _Browser, ready: int) -> None:
        if ready & selectors.EVENT_READ:
            try:
                if not browser.connection.recv(4096):
                    self._drop(browser)
                    return
            except BlockingIOError:
                pass
            except OSError:
                self._drop(browser)
                return
        if ready & selectors.EVENT_WRITE:
            self._push(browser)

    def _push(self, browser: _Browser) -> None:
        if browser not in self._browsers:
            return
        try:
            browser.flush()
        except OSError:
            self._drop(browser)
            return
        if browser.waiting_bytes > MAX_WAITING:
            _log.info("A browser takes its events too slowly; its connection is closed, and it will come back")
            self._dropped()
            self._drop(browser)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if browser.waiting else 0)
        if self._selector.get_key(browser.connection).events != wanted:
            self._selector.modify(browser.connection, wanted, browser)

    def _drop(self, browser: _Browser) -> None:
        if browser in self._browsers:
            self._browsers.remove(browser)
            self._of_visitor[browser.visitor] -= 1
            if not self._of_visitor[browser.visitor]:
                del self._of_visitor[browser.visitor]
            self._selector.unregister(browser.connection)
            browser.connection.close()
            browser.waiting.clear()
