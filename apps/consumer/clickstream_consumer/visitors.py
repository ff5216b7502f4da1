"""Who asks for the page's data, and how much each may have.

A visitor is an address, or an IPv6 line's /64 (`clickstream_core.addresses`). Each may make so many requests a second,
of ten seconds' worth at once. A request for windows that nobody has asked for since the last one came costs more,
because they are written anew for it. And each may have `MOST_STREAMS` event streams open, so that no one of them takes
all that a consumer can serve. Behind a proxy that is not trusted all visitors have one address, the proxy's.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence

from clickstream_core.addresses import Network, Proxies, limited_network
from clickstream_core.limits import RateLimit
from clickstream_core.pages import Request

MOST_STREAMS = 20
"""Open at once for one visitor; browsers have six at most to one server."""

_CLOSE_SOME_S = 10


class TooMuch(Exception):
    """A request that is refused for now; `seconds` later it may pass."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Visitors:
    """The limits; safe to use from several threads.

    `limit` is in requests per second, infinity for none, which goes for streams too. `refused` is called with
    "requests" or "streams" for each request that is refused; `clock` gives seconds that only rise.
    """

    def __init__(
        self,
        limit: float = math.inf,
        trusted: Sequence[Network] = (),
        refused: Callable[[str], None] = lambda limit: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = RateLimit(limit, clock)
        self._proxies = Proxies(trusted, means=", with one limit of requests and open pages")
        self._refused = refused
        self._lock = threading.Lock()
        self.most_streams = math.inf if math.isinf(limit) else MOST_STREAMS

    def visitor(self, request: Request) -> str:
        """Return whose request it is."""
        return limited_network(self._proxies.visitor_address(request.peer, request.header("X-Forwarded-For")))

    def admit(self, visitor: str, requests: int) -> None:
        """Let the visitor have what counts as so many requests. Raises TooMuch."""
        with self._lock:
            seconds = self._limit.take(visitor, requests)
        if seconds:
            self._refused("requests")
            raise TooMuch(f"too many requests of this address; come again in {seconds} s (API_LIMIT)", seconds)

    def admit_stream(self, open_streams: int) -> None:
        """Let a visitor have one more than so many event streams. Raises TooMuch."""
        if open_streams >= self.most_streams:
            self._refused("streams")
            raise TooMuch(f"this address has {open_streams} pages open; close some (API_LIMIT)", _CLOSE_SOME_S)
