"""Web server logs, the second kind of record: one JSON object for each request to a made-up site.

Faker generates pools of addresses, pages and browsers at the start (a fraction of a millisecond for each value, which
is too long for each record); records then pick from them, popular pages more often. Times are UTC without fraction and
offset, as in access logs.
"""

from datetime import UTC, datetime
from random import Random

import msgspec
from faker import Faker

from clickstream_producer.catalogue import Weighted, by_popularity

_ADDRESSES = 500
_PAGES = 200
_BROWSERS = 100

_METHODS = Weighted([("GET", 84.0), ("POST", 10.0), ("HEAD", 3.0), ("PUT", 2.0), ("DELETE", 1.0)])
_STATUS_CODES = Weighted(
    [(200, 78.0), (304, 8.0), (404, 5.0), (301, 3.0), (302, 2.0), (401, 1.0), (403, 1.0), (500, 1.0), (503, 1.0)]
)


class WebLog(msgspec.Struct, frozen=True):
    """One line of a web server's access log."""

    ip: str
    timestamp: str
    method: str
    url: str
    status_code: int
    user_agent: str


encode_web_log = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of a `WebLog`."""


class WebServer:
    """A made-up web site and its visitors; `share` distinguishes processes with the same seed."""

    def __init__(self, *, seed: int, share: int = 0) -> None:
        faker = Faker()
        faker.seed_instance(seed)
        self._random = Random(f"{seed}/{share}")
        self._addresses = by_popularity([faker.ipv4_public() for _ in range(_ADDRESSES)])
        self._pages = by_popularity([faker.uri() for _ in range(_PAGES)])
        self._browsers = by_popularity([faker.user_agent() for _ in range(_BROWSERS)])

    def next_log(self, now: int) -> WebLog:
        """Return the next request; `now` is in milliseconds since the epoch."""
        point = self._random.random
        return WebLog(
            ip=self._addresses.pick(point()),
            timestamp=datetime.fromtimestamp(now // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            method=_METHODS.pick(point()),
            url=self._pages.pick(point()),
            status_code=_STATUS_CODES.pick(point()),
            user_agent=self._browsers.pick(point()),
        )
