"""Who asks for a page's data, and how much each visitor may have.

A visitor is an address, or an IPv6 line's /64 (`clickstream_core.addresses`). Each may make a number of requests per
second, ten seconds' worth at once; a request that costs more counts as several. And each may have `MAX_STREAMS` event
streams open, so that none takes all that a server can hold. Behind a proxy that is not trusted, all visitors have one
address, the proxy's.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence

from starlette.requests import Request

from clickstream_core.addresses import Network, Proxies, limited_network
from clickstream_core.limits import RateLimit
from clickstream_web.errors import Refused
from clickstream_web.requests import field

MAX_STREAMS = 20
"""Open at once for one visitor; browsers have six at most to one server."""

_RETRY_STREAM_S = 10


class Visitors:
    """The limits; safe to use from several threads.

    `limit` is in requests per second; infinity means no limit, of streams neither. `refused` is called with "requests"
    or "streams" for each request that is refused; `clock` gives monotonic seconds.
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
        self.max_streams = math.inf if math.isinf(limit) else MAX_STREAMS

    def visitor(self, request: Request) -> str:
        """Return whose request it is."""
        peer = request.client.host if request.client else ""
        return limited_network(self._proxies.visitor_address(peer, field(request, "X-Forwarded-For")))

    def admit(self, visitor: str, requests: int) -> None:
        """Count so many requests of the visitor. Raises Refused when that is above the limit."""
        with self._lock:
            seconds = self._limit.take(visitor, requests)
        if seconds:
            self._refused("requests")
            message = f"too many requests from this address; retry in {seconds} s (API_LIMIT)"
            raise Refused(429, message, retry_after_s=seconds)

    def admit_stream(self, open_streams: int) -> None:
        """Raise Refused when a visitor with so many open event streams may have no further one."""
        if open_streams >= self.max_streams:
            self._refused("streams")
            message = f"this address has {open_streams} pages open; close some (API_LIMIT)"
            raise Refused(429, message, retry_after_s=_RETRY_STREAM_S)
