"""Tracking requests whose results are known: members, two scenarios of which one is changed, and the oracle.

Member `m` is a man if m is odd, was born on January 1 of 2016 - m % 60, and is gold if m is a multiple of 3. Every
tenth is in no database.
"""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

MEMBERS = 5000
BUY, REVIEW = "구매하기", "리뷰"

_KEPT = {"n": 1, "memberId": 1, "age": 1, "e_n": 1, "h": 0}
SCENARIOS: dict[tuple[int, int], dict[str, Any]] = {
    (1, 1): {
        "scenario_id": 1,
        "title": "Men from 21 on, in the daytime",
        "log_format": _KEPT,
        "filters": [
            {"left": "age", "operator": ">", "right": "20"},
            {"left": "gender", "operator": "==", "right": "MALE"},
            {"left": "h", "operator": ">=", "right": "9"},
        ],
    },
    (1, 2): {
        "scenario_id": 1,
        "title": "Everybody from 41 on, at night",
        "log_format": _KEPT,
        "filters": [
            {"left": "age", "operator": ">", "right": "40"},
            {"left": "h", "operator": "<", "right": "9"},
        ],
    },
    (2, 1): {
        "scenario_id": 2,
        "title": "Gold members, and who buys",
        "log_format": _KEPT,
        "filters": [
            {"left": "grade", "operator": "==", "right": "gold"},
            {"left": "e_n", "operator": "==", "right": BUY},
        ],
        "logical_operator": "OR",
    },
}
"""The scenarios by id and version."""


@dataclass(frozen=True)
class Tracked:
    """A request, and what becomes of it: "result", "repeat" of one before, or the reason of its dead letter."""

    number: int
    scenario_id: int
    member: int
    button: str
    hour: int
    becomes: str = "result"

    def record(self, sent_at: float) -> bytes:
        """The line of an access log."""
        if self.becomes == "not_json":
            return b'{"request_uri": "/1?n=%d' % self.number
        known = self.becomes != "unknown_scenario"
        target = f"/{self.scenario_id if known else 77}?n={self.number}&h={self.hour}&e_n={quote(self.button)}"
        line = {
            "request_id": f"{self.number:032x}",
            "time": datetime.fromtimestamp(int(sent_at), UTC).isoformat(),
            "method": "GET",
            "request_uri": f"{target}&memberId={self.member}",
            "status": 200,
        }
        return json.dumps(line).encode()


def requests(count: int, seed: int) -> Iterator[Tracked]:
    """Return requests, `count` of them without the repeats."""
    draw = random.Random(seed)
    for number in range(count):
        kind = draw.random()
        becomes = "not_json" if kind < 0.002 else "unknown_scenario" if kind < 0.004 else "result"
        button = draw.choice((BUY, REVIEW))
        made = Tracked(number, draw.choice((1, 2)), draw.randrange(MEMBERS), button, draw.randrange(24), becomes)
        yield made
        if kind > 0.99:
            yield Tracked(number, made.scenario_id, made.member, made.button, made.hour, "repeat")


def member_rows() -> Iterator[str]:
    """Return the members as a CSV file."""
    yield "member_id,gender,birth_date,grade"
    for member in filter(is_known, range(MEMBERS)):
        yield f"{member},{'MALE' if member % 2 else 'FEMALE'},{2016 - member % 60}-01-01,{'' if member % 3 else 'gold'}"


def is_known(member: int) -> bool:
    """Whether the database has the member."""
    return member % 10 != 0


def succeeds(request: Tracked, version: int) -> bool:
    """The oracle: whether a request succeeds in a version of its scenario."""
    known, age = is_known(request.member), time.gmtime().tm_year - 2016 + request.member % 60
    if request.scenario_id == 2:
        return (known and request.member % 3 == 0) or request.button == BUY
    if version == 1:
        return known and age > 20 and request.member % 2 == 1 and request.hour >= 9
    return known and age > 40 and request.hour < 9
