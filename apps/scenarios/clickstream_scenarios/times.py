"""When a request came: the forms in which NGINX and the shippers write a time."""

import math
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from clickstream_core.timestamps import format_milliseconds, parse_timestamp

_FIRST_MS = 0
_LAST_MS = 253_370_764_800_000  # 9999-01-01T00:00:00Z: every time zone can still write it
_SMALLEST_MS = 100_000_000_000
"""A number from here on is milliseconds, a smaller one is seconds: of 1973, or of the year 5138."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_COMMON_LOG = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2}) ([+-][0-9]{4})")
_NUMBER = re.compile(r"[0-9]{1,14}(\.[0-9]{1,9})?")


class Moment(NamedTuple):
    """A time in a time zone: its day, its hour, and `yyyy-MM-dd HH:mm:ss`."""

    day: date
    hour: int
    text: str


def parse_time(value: object) -> int:
    """Return milliseconds since the epoch of a time in a log.

    It is RFC 3339 ($time_iso8601), `27/Nov/2026:10:00:00 +0900` ($time_local), or a number, perhaps as text: seconds
    with a fraction ($msec, Fluent Bit's @timestamp) or milliseconds. Raises ValueError with the reason.
    """
    time = _milliseconds(value)
    if not _FIRST_MS <= time < _LAST_MS:
        raise ValueError("is not between the years 1970 and 9998")
    return time


def moment(milliseconds: int, timezone: ZoneInfo) -> Moment:
    """Return the time in the time zone."""
    return _moment(milliseconds // 1000, timezone)


@lru_cache(maxsize=16_384)
def _moment(second: int, timezone: ZoneInfo) -> Moment:
    local = datetime.fromtimestamp(second, UTC).astimezone(timezone)
    return Moment(local.date(), local.hour, f"{local:%Y-%m-%d %H:%M:%S}")


@lru_cache(maxsize=16_384)
def _from_text(text: str) -> int:
    common = _COMMON_LOG.fullmatch(text)
    if common is not None:
        day, month, year, clock, offset = common.groups()
        if month not in _MONTHS:
            raise ValueError(f"has no month {month}")
        return parse_timestamp(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{clock}{offset}")
    if _NUMBER.fullmatch(text):
        return _from_number(float(text))
    return parse_timestamp(text)


def _milliseconds(value: object) -> int:
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e16 and math.isfinite(value):
        return _from_number(value)
    raise ValueError("is neither text nor a number")


def _from_number(number: float) -> int:
    return round(number) if number >= _SMALLEST_MS else round(number * 1000)


utc = format_milliseconds
"""Return `2026-11-27T10:00:00.123Z`."""
