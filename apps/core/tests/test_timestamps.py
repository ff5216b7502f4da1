from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.timestamps import format_milliseconds, format_seconds, parse_timestamp, with_plus

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
milliseconds = st.integers(-62_135_596_800_000, 253_402_300_799_999)


@given(milliseconds)
def test_what_is_formatted_is_parsed_again(time: int) -> None:
    assert parse_timestamp(format_milliseconds(time)) == time
    assert parse_timestamp(format_seconds(time)) == time - time % 1000


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from(["T", "t", " "]),
    st.booleans(),
)
def test_any_offset_and_any_fraction_is_taken(moment: datetime, offset: int, separator: str, colon: bool) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    exact = (zoned - EPOCH) // timedelta(milliseconds=1)
    written = zoned.isoformat(separator, timespec="microseconds")
    assert parse_timestamp(written if colon else written[:-3] + written[-2:]) == exact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.9999Z", 999),
        ("1970-01-01T09:00:00+09:00", 0),
        ("1969-12-31T23:59:59.999z", -1),
        ("1970-01-01 09:00:00.5+0900", 500),
        ("1970-01-01 00:00:00.001Z", 1),
        ("2016-12-31 23:59:60Z", 1_483_228_800_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("2017-01-01T08:59:60.5+09:00", 1_483_228_800_500),
        ("9999-12-31T23:59:59.999-12:00", 253_402_343_999_999),
    ],
)
def test_known_times(text: str, expected: int) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2024-10-26T10:30:45", "no UTC offset"),
        ("2024-10-26T10:30:45.123", "no UTC offset"),
        ("yesterday", "not an RFC 3339"),
        ("", "not an RFC 3339"),
        ("2024-10-26T10:30:45.123Z\n", "not an RFC 3339"),
        ("2024-10-26  10:30:45Z", "not an RFC 3339"),
        ("2024-10-26 10:30:45", "no UTC offset"),
        ("2024-10-26 10:30:45 +0900", "not an RFC 3339"),
        ("2024-10-26T10:30:45+09", "not an RFC 3339"),
        ("2024-10-26T10:30:45+900", "not an RFC 3339"),
        ("2024-10-26T10:30:45,123Z", "not an RFC 3339"),
        ("2024-10-26T10:30:4５.123Z", "not an RFC 3339"),
        ("2024-02-30T00:00:00.000Z", "a day that does not exist"),
        ("0000-01-01T00:00:00Z", "a day that does not exist"),
        ("2024-10-26T24:00:00.000Z", "a time of day that does not exist"),
        ("2024-10-26T10:60:00.000Z", "a time of day that does not exist"),
        ("2024-10-26T10:30:60Z", "a time of day that does not exist"),
        ("2024-10-26T10:30:45+24:00", "offset out of range"),
        ("2024-10-26T10:30:45+00:60", "offset out of range"),
        ("2024-10-26T10:30:45+2400", "offset out of range"),
        ("0001-01-01T00:00:00+01:00", "before year 1"),
    ],
)
def test_what_is_no_timestamp_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_timestamp(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00 00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00.123 09:00", "2026-01-01T00:00:00.123+09:00"),
        ("2026-01-01 00:00:00 0900", "2026-01-01 00:00:00+0900"),
        *(
            (each, each)
            for each in ("2026-01-01 00:00:00Z", "2026-01-01 00:00:00-09:00", "2026-01-01T00:00:00+09:00", "")
        ),
    ],
)
def test_a_plus_that_a_query_lost_is_put_back(text: str, expected: str) -> None:
    assert with_plus(text) == expected
