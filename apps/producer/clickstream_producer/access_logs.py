"""Tracking requests in an access log, the third kind of record: one JSON object for each, as shippers/nginx logs it.

Members of a made-up shop press buttons, and the page asks NGINX for `/{scenario_id}?…` with the parameters of reference
004. A few requests are none of a scenario: icons, errors, forms. Times are UTC, and each request has an id of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from urllib.parse import urlencode

import msgspec

from clickstream_producer.catalogue import PRODUCTS, Weighted, by_popularity

FIRST_MEMBER = 100_001
"""The members' ids begin here; there are USERS of them."""

_BUTTONS = Weighted(
    [(("buttonClick", "구매하기"), 30.0), (("buttonClick", "장바구니"), 45.0), (("linkClick", "리뷰"), 25.0)]
)
_SCREENS = Weighted([("1920x1080", 35.0), ("390x844", 40.0), ("1366x768", 15.0), ("820x1180", 10.0)])
_STATUS_CODES = Weighted([(200, 97.0), (304, 1.0), (404, 1.0), (429, 0.5), (503, 0.5)])
_OTHERS = by_popularity(["/favicon.ico", "/robots.txt", "/"])
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_SITE = "https://shop.example"
_IMAGE_BYTES = 43
_OTHER_SHARE = 0.02


class AccessLog(msgspec.Struct, frozen=True):
    """One request, with the names that the log format of shippers/nginx has."""

    request_id: str
    time: str
    msec: float
    remote_addr: str
    method: str
    request_uri: str
    status: int
    bytes: int
    referer: str
    agent: str


encode_access_log = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of an `AccessLog`."""


class TrackedShop:
    """A made-up shop whose pages track its members; `share` distinguishes processes with the same seed."""

    def __init__(self, *, seed: int, members: int, scenarios: Sequence[int], share: int = 0) -> None:
        self._random = Random(f"{seed}/{share}")
        self._ids = Random()  # of the operating system: no two runs may have the same
        self._members = members
        self._scenarios = by_popularity(scenarios)

    def next_log(self, now: int) -> AccessLog:
        """Return the next request; `now` is in milliseconds since the epoch."""
        chance, point = self._random, self._random.random
        page = PRODUCTS.pick(point()).url
        other = point() < _OTHER_SHARE
        status = _STATUS_CODES.pick(point())
        return AccessLog(
            request_id=f"{self._ids.getrandbits(128):032x}",
            time=f"{datetime.fromtimestamp(now // 1000, UTC):%Y-%m-%dT%H:%M:%S}+00:00",
            msec=now / 1000,
            remote_addr=f"203.0.113.{chance.randrange(1, 255)}",
            method="GET" if point() < 0.995 else "POST",
            request_uri=_OTHERS.pick(point()) if other else self._target(page),
            status=status,
            bytes=_IMAGE_BYTES if status == 200 else 0,
            referer=f"{_SITE}{page}",
            agent=_BROWSER,
        )

    def _target(self, page: str) -> str:
        chance, point = self._random, self._random.random
        category, name = _BUTTONS.pick(point())
        parameters = {
            "e_c": category,
            "e_a": "Clicked",
            "e_n": name,
            "url": f"{_SITE}{page}",
            "urlref": f"{_SITE}/",
            "_idn": int(point() < 0.2),
            "cookie": 1,
            "res": _SCREENS.pick(point()),
            "memberId": FIRST_MEMBER + chance.randrange(self._members),
        }
        return f"/{self._scenarios.pick(point())}?{urlencode(parameters)}"
