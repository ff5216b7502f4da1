"""Members: ages around birthdays, and what an import refuses."""

from datetime import date
from typing import Any

import pytest

from clickstream_scenarios.errors import InvalidMember
from clickstream_scenarios.member import Member, read_member


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        ("2000-05-10", "2026-05-09", 25),
        ("2000-05-10", "2026-05-10", 26),
        ("2000-02-29", "2026-02-28", 25),
        ("2000-02-29", "2026-03-01", 26),
        ("2000-02-29", "2028-02-29", 28),
        ("2026-11-27", "2026-11-27", 0),
        ("2026-11-28", "2026-11-27", None),
    ],
)
def test_an_age_is_the_full_years_on_a_day(born: str, day: str, age: int | None) -> None:
    assert Member("1", birth_date=date.fromisoformat(born)).age_on(date.fromisoformat(day)) == age


def test_a_member_without_a_birth_date_has_no_age() -> None:
    assert Member("1").age_on(date(2026, 1, 1)) is None


def test_a_member_is_read_from_text() -> None:
    member = read_member("123456", " male ", "1990-05-01", {"grade": "gold", "points": 5, "note": "", "old": None})
    assert member == Member("123456", "MALE", date(1990, 5, 1), {"grade": "gold", "points": 5})
    assert read_member("a", "", "") == Member("a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"member_id": ""}, "member_id '': expected 1 to 191 characters"),
        ({"member_id": " 1"}, "member_id ' 1': expected 1 to 191 characters without spaces around them"),
        ({"member_id": "1", "gender": "M" * 33}, "gender 'M+': expected at most 32 characters, such as MALE"),
        ({"member_id": "1", "birth_date": "1.5.1990"}, "birth_date '1.5.1990': expected a day such as 1990-05-01"),
        ({"member_id": "1", "birth_date": "1990-02-30"}, "birth_date '1990-02-30': expected a day"),
        ({"member_id": "1", "attributes": {"age": 5}}, "attribute 'age': this name is taken"),
        ({"member_id": "1", "attributes": {"tags": []}}, "attribute tags: expected up to"),
    ],
)
def test_a_member_that_can_not_be_used_says_why(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidMember, match=message):
        read_member(**values)
