"""RFC 3339 timestamps and milliseconds since 1970-01-01T00:00:00Z, the unit that Kafka and the windows count in.

Nearly all timestamps of events have one form, `2024-10-26T10:30:45.123Z`. Its first sixteen characters are a minute,
and a stream contains the same few minutes again and again, so the calendar is used once for each minute, and the rest
is two small integers. All other forms are parsed by the full grammar of RFC 3339, section 5.6, with two unambiguous
additions: a space instead of the `T`, which the section leaves to applications, and an offset without a colon.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)
_NO_SUCH_TIME = "names a time of day that does not exist"
_LOST_PLUS = re.compile(r"(?<=[0-9]) (?=[0-9]{2}(?::?[0-9]{2})?\Z)")
_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS
_EPOCH_DAY = datetime(1970, 1, 1).toordinal()
FIRST_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z, the first time that can be written, in milliseconds
LAST_MS = 253_402_300_800_000  # the end of the year 9999, after which no time can be written, in milliseconds

_SECONDS_MS = {f"{second:02}": second * 1000 for second in range(60)}
_FRACTIONS_MS = {f"{milliseconds:03}": milliseconds for milliseconds in range(1000)}


def parse_timestamp(text: str) -> int:
    """Return the milliseconds since the epoch of an RFC 3339 date-time; digits beyond milliseconds are cut off.

    Any UTC offset is accepted, `+0900` too, and a space instead of the `T`. A leap second (23:59:60 UTC) is the first
    second of the next day, as in POSIX time. Raises ValueError with the reason: no offset, not the grammar, no such
    day, before year 1.
    """
    if len(text) == 24 and text[23] == "Z" and text[16] == ":" and text[19] == ".":
        minute = _minute(text[:16])
        seconds = _SECONDS_MS.get(text[17:19])
        milliseconds = _FRACTIONS_MS.get(text[20:23])
        if minute is not None and seconds is not None and milliseconds is not None:
            return minute + seconds + milliseconds
    return _parse_any(text)


@lru_cache(maxsize=4096)
def _minute(prefix: str) -> int | None:
    try:
        return _parse_any(prefix + ":00Z")
    except ValueError:
        return None


def _parse_any(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        if _RFC_3339.fullmatch(text + "Z") is not None:
            raise ValueError("has no UTC offset, expected Z or +hh:mm at its end")
        raise ValueError("is not an RFC 3339 date-time such as 2024-10-26T10:30:45.123Z")
    day, clock, second, fraction, zone = match.groups()
    start = _minute_in_zone(day, clock, zone)
    if second > "59" and not (second == "60" and start % _DAY_MS == _DAY_MS - _MINUTE_MS):
        raise ValueError(_NO_SUCH_TIME)
    milliseconds = start + int(second) * 1000
    if fraction:
        milliseconds += int(fraction[:3].ljust(3, "0"))
    if milliseconds < FIRST_MS:
        raise ValueError("is before year 1 in UTC")
    return milliseconds


@lru_cache(maxsize=4096)
def _minute_in_zone(day: str, clock: str, zone: str) -> int:
    """Return the start of the minute `10:30` of `2024-10-26` at the offset `+09:00`. Raises ValueError."""
    offset = 0
    if zone not in "Zz":
        offset_hour, offset_minute = int(zone[1:3]), int(zone[-2:])
        if offset_hour > 23 or offset_minute > 59:
            raise ValueError("has a UTC offset out of range")
        offset = (offset_hour * 60 + offset_minute) * (-1 if zone[0] == "-" else 1)
    try:
        days = datetime(int(day[:4]), int(day[5:7]), int(day[8:])).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise ValueError(f"names a day that does not exist ({error})") from error
    hour, minute = int(clock[:2]), int(clock[3:])
    if hour > 23 or minute > 59:
        raise ValueError(_NO_SUCH_TIME)
    return days * _DAY_MS + (hour * 60 + minute - offset) * _MINUTE_MS


def with_plus(text: str) -> str:
    """Return a timestamp from a query string with the plus of its UTC offset, which is lost if it was not escaped."""
    return _LOST_PLUS.sub("+", text)


def format_milliseconds(milliseconds: int) -> str:
    """Return `2024-10-26T10:30:45.123Z`, the form that events carry."""
    second, rest = divmod(milliseconds, 1000)
    return f"{_second(second)}.{rest:03}Z"


def format_seconds(milliseconds: int) -> str:
    """Return `2024-10-26T10:30:00Z`, the form of window bounds; milliseconds are cut off."""
    return f"{_second(milliseconds // 1000)}Z"


def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
