"""Cross-origin requests: whose pages may send events, and the headers for the browser (Fetch standard, CORS)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from clickstream_collector.headers import Headers as RequestHeaders
from clickstream_collector.headers import elements
from clickstream_collector.settings import ANY_ORIGIN, canonical_origin

_CACHED_FOR_S = b"86400"
_MAX_ORIGIN_LENGTH = 300  # a host name has at most 253 characters
_MAX_REQUESTED_LENGTH = 2000
_REQUEST_HEADERS = ("content-type", "content-encoding")
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)

_EXPOSED = (b"access-control-expose-headers", b"retry-after")

Headers = list[tuple[bytes, bytes]]


class Origins:
    """The allow-list: `*`, origins, or origins with `*.` for all subdomains of a host."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = ANY_ORIGIN in allowed
        self._patterns = [re.compile(re.escape(origin).replace(r"\*\.", r"([a-z0-9_-]+\.)+")) for origin in allowed]
        self._is_allowed = lru_cache(maxsize=4096)(self._matches)

    def allow(self, origin: bytes) -> bool:
        """Whether pages of this origin may send; a request without an origin is not from a page."""
        return self._any or not origin or (len(origin) <= _MAX_ORIGIN_LENGTH and self._is_allowed(origin))

    def headers(self, origin: bytes) -> Headers:
        """Return the headers of an answer for a browser; none that allow an origin that is not allowed."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED] if origin else []
        vary = (b"vary", b"origin")
        if not origin or not self.allow(origin):
            return [vary]
        return [(b"access-control-allow-origin", origin), _EXPOSED, vary]

    def _matches(self, origin: bytes) -> bool:
        try:
            text = canonical_origin(origin.decode("ascii"))
        except ValueError:
            return False
        return any(pattern.fullmatch(text) for pattern in self._patterns)


def preflight(headers: RequestHeaders) -> Headers:
    """Return the headers of an answer to OPTIONS, beside `Origins.headers`: all requested headers are allowed.

    Tracing libraries add headers to every request of a page (`traceparent`, `x-datadog-…`). None has an effect here, so
    there is no reason to refuse one, and a list would never be complete.
    """
    asked = ",".join(elements(headers, b"access-control-request-headers")).lower()[:_MAX_REQUESTED_LENGTH].split(",")
    names = dict.fromkeys((*_REQUEST_HEADERS, *filter(_NAME.fullmatch, asked)))
    return [
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", ", ".join(names).encode()),
        (b"access-control-max-age", _CACHED_FOR_S),
        (b"vary", b"access-control-request-headers"),
    ]
