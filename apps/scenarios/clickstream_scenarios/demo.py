"""Three scenarios and made-up members, for the requests that `clickstream-producer --kind access-log` sends.

A member depends on nothing but the id, so that a database that is filled again has the same ones.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

from clickstream_scenarios.member import Member
from clickstream_scenarios.scenario import Filter, Scenario

FIRST_MEMBER = 100_001
"""The first member's id, as the producer has it; the others follow."""

_KEPT = dict.fromkeys(("memberId", "e_c", "e_n", "h"), True)
_TIMEZONE = "Asia/Seoul"
SCENARIOS = (
    Scenario(
        scenario_id=1,
        title="Adult men who press 구매하기 (buy)",
        manager="demo",
        log_format={**_KEPT, "age": True, "res": False},
        filters=(Filter("age", ">", "20"), Filter("gender", "==", "MALE"), Filter("e_n", "==", "구매하기")),
        timezone=_TIMEZONE,
    ),
    Scenario(
        scenario_id=2,
        title="Gold and silver members who fill their cart",
        manager="demo",
        log_format={**_KEPT, "grade": True},
        filters=(Filter("grade", "in", "gold, silver"), Filter("e_n", "==", "장바구니")),
        timezone=_TIMEZONE,
    ),
    Scenario(
        scenario_id=3,
        title="On a phone, or reading reviews",
        manager="demo",
        log_format={**_KEPT, "res": True},
        filters=(Filter("res", "==", "390x844"), Filter("e_n", "==", "리뷰")),
        logical_operator="OR",
        timezone=_TIMEZONE,
    ),
)

_GENDERS = ("MALE", "FEMALE")
_GRADES = ("gold", "silver", "silver", "bronze", "bronze", "bronze")
_FIRST_BIRTH, _BIRTH_DAYS = date(1956, 1, 1), 55 * 365


def members(count: int) -> Iterator[Member]:
    """Return the members from FIRST_MEMBER on."""
    for number in range(FIRST_MEMBER, FIRST_MEMBER + count):
        chance = Random(number)
        born = _FIRST_BIRTH + timedelta(days=chance.randrange(_BIRTH_DAYS))
        yield Member(str(number), chance.choice(_GENDERS), born, {"grade": chance.choice(_GRADES)})
