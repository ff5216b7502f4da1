"""Updates of open pages: windows as they close, the consumer's condition, and what a browser missed.

Events are `window` (the metrics record; its id is the position behind it), `status` (the condition; also the heartbeat)
and `reload`. A browser that reconnects names the last event it saw and gets what it missed, or `reload` when that is
too much. Until the history has been read, browsers get the status only.
"""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec
from starlette.responses import Response

from clickstream_consumer.history import Kept, Position, WindowHistory, write_position
from clickstream_web.event_stream import HEARTBEAT_S, Browser, EventStream, event

_MAX_MISSED_BYTES = 128 << 10


class Updates:
    """The history and the stream of what is added to it. All methods except `join` may be called from any thread.

    `heartbeat_s` and `dropped` are those of EventStream.
    """

    def __init__(self, heartbeat_s: float = HEARTBEAT_S, dropped: Callable[[], None] = lambda: None) -> None:
        self.history = WindowHistory(self._window)
        self.stream = EventStream(lambda: self._status, heartbeat_s, dropped)
        self._status = event("status", b'{"condition":"connecting"}')
        self._complete = False
        self._behind: WeakKeyDictionary[Browser, Position | None] = WeakKeyDictionary()

    def status(self, condition: str) -> None:
        """Send the consumer's condition when it has changed."""
        status = event("status", msgspec.json.encode({"condition": condition}))
        if status != self._status:
            self._status = status
            self.stream.send(status)

    def history_is_complete(self) -> None:
        """Note that results are new from now on; browsers that have joined get what they missed."""
        if not self._complete:
            self._complete = True
            self.stream.post(self._catch_up_all)

    def join(self, visitor: str, after: Position | None) -> Response:
        """Return the response for a browser that has seen everything before `after`, or wants only news (None)."""
        browser = self.stream.join(visitor)
        self._behind[browser] = after
        if self._complete:
            self._catch_up(browser)
        return browser

    def _window(self, kept: Kept, position: str) -> None:
        if self._complete:
            self.stream.send(event("window", kept.json, position), lambda browser: browser not in self._behind)

    def _catch_up_all(self) -> None:
        for browser in list(self._behind):
            self._catch_up(browser)

    def _catch_up(self, browser: Browser) -> None:
        """Send what the browser missed; from now on it gets every window.

        A window that is published at this moment may be sent twice; the page keeps one result per window.
        """
        after = self._behind.pop(browser)
        if after is None:
            return
        position = self.history.position()
        missed = self.history.since(after, _MAX_MISSED_BYTES)
        if missed is None:
            browser.queue(event("reload", b"{}", position))
            return
        reached = dict(after)
        for kept in missed:
            reached[kept.partition] = kept.offset + 1
            browser.queue(event("window", kept.json, write_position(reached)))
