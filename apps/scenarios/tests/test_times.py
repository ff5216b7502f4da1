"""When a request came: the forms that NGINX and the shippers write, and the day and hour in a time zone."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from clickstream_scenarios.times import moment, parse_time

TEN = 1_795_773_600_000  # 2026-11-27T10:00:00Z


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-27T10:00:00+00:00",
        "2026-11-27T19:00:00+09:00",
        "2026-11-27 19:00:00+0900",
        "27/Nov/2026:19:00:00 +0900",
        "1795773600.000",
        "1795773600000",
        1_795_773_600,
        1_795_773_600.0,
        1_795_773_600_000,
    ],
)
def test_the_forms_of_a_time(written: Any) -> None:
    assert parse_time(written) == TEN


def test_milliseconds_are_kept() -> None:
    assert parse_time("1795773600.123") == parse_time(1_795_773_600.123) == TEN + 123


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("yesterday", "is not an RFC 3339 date-time"),
        ("2026-11-27T10:00:00", "has no UTC offset"),
        ("31/Feb/2026:10:00:00 +0000", "names a day that does not exist"),
        ("27/Foo/2026:10:00:00 +0000", "has no month Foo"),
        (True, "is neither text nor a number"),
        ([], "is neither text nor a number"),
        (float("inf"), "is neither text nor a number"),
        (10**400, "is neither text nor a number"),
        (-1, "is not between the years 1970 and 9998"),
        ("9999-12-31T23:59:59Z", "is not between the years 1970 and 9998"),
    ],
)
def test_a_time_that_can_not_be_read_says_why(written: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_time(written)


def test_a_moment_is_in_its_time_zone() -> None:
    late = moment(TEN + 6 * 3_600_000, ZoneInfo("Asia/Seoul"))
    assert (str(late.day), late.hour, late.text) == ("2026-11-28", 1, "2026-11-28 01:00:00")
    summer = moment(parse_time("2026-07-01T10:00:00Z"), ZoneInfo("Europe/Berlin"))
    assert (summer.hour, summer.text) == (12, "2026-07-01 12:00:00")
