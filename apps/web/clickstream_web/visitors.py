"""Visitors of a page and the limits of each.

A visitor is an IPv4 address or an IPv6 /64 (`clickstream_core.addresses`). Each may make a number of requests per
second, ten seconds' worth at once; an expensive request counts as several. Each may have `MAX_STREAMS` event streams
open, so that one visitor can't use up the server's. Behind an untrusted proxy, all visitors share the proxy's address.
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

MAX_STREAMS = 20  # open at once for one visitor; a browser opens six to one server at most
_RETRY_STREAM_S = 10


class Visitors:
    """The limits; safe to use from several threads.

    `limit` is in requests per second; infinity removes both limits. `refused` is called with "requests" or "streams"
    for each refused request; `clock` gives monotonic seconds.
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
        peer = request.client.host if request.client else ""
        return limited_network(self._proxies.visitor_address(peer, field(request, "X-Forwarded-For")))

    def admit(self, visitor: str, requests: int) -> None:
        """Count this many requests of the visitor. Raises Refused above the limit."""
        with self._lock:
            seconds = self._limit.take(visitor, requests)
        if seconds:
            self._refused("requests")
            message = f"too many requests from this address; retry in {seconds} s (API_LIMIT)"
            raise Refused(429, message, retry_after_s=seconds)

    def admit_stream(self, open_streams: int) -> None:
        """Raise Refused if a visitor with this many open event streams may not open another."""
        if open_streams >= self.max_streams:
            self._refused("streams")
            message = f"this address has {open_streams} pages open; close some (API_LIMIT)"
            raise Refused(429, message, retry_after_s=_RETRY_STREAM_S)
