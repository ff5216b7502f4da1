"""Cross-origin requests: whose pages may send, and the headers that tell a browser so (Fetch standard, CORS)."""

import re
from collections.abc import Sequence
from functools import lru_cache

from clickstream_collector.settings import ANY_ORIGIN

_A_DAY = b"86400"
_LONGEST_ORIGIN = 300  # a host name has at most 253 characters
PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type, content-encoding"),
    (b"access-control-max-age", _A_DAY),
)
"""What the answer to OPTIONS says beside `Origins.headers`."""

_EXPOSED = (b"access-control-expose-headers", b"retry-after")

Headers = list[tuple[bytes, bytes]]


class Origins:
    """The allow-list: `*`, origins, or origins with `*.` for all subdomains of a host."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = ANY_ORIGIN in allowed
        self._patterns = [
            re.compile(re.escape(origin).replace(r"\*\.", r"([a-z0-9-]+\.)+"), re.IGNORECASE) for origin in allowed
        ]
        self._is_allowed = lru_cache(maxsize=4096)(self._matches)

    def allow(self, origin: bytes) -> bool:
        """Whether pages of this origin may send; a request without one is no page's."""
        return self._any or not origin or (len(origin) <= _LONGEST_ORIGIN and self._is_allowed(origin))

    def headers(self, origin: bytes) -> Headers:
        """Return what an answer has to say to a browser; nothing for origins that are not allowed."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSED] if origin else []
        vary = (b"vary", b"origin")
        if not origin or not self.allow(origin):
            return [vary]
        return [(b"access-control-allow-origin", origin), _EXPOSED, vary]

    def _matches(self, origin: bytes) -> bool:
        text = origin.decode("latin-1")
        return any(pattern.fullmatch(text) for pattern in self._patterns)
