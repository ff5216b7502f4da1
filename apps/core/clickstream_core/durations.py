"""Durations as users write them in settings (`500ms`, `10s`, `5m`, `1h`, `1d`); in code, whole milliseconds."""

import re

_UNITS = (("d", "day", 86_400_000), ("h", "hour", 3_600_000), ("m", "minute", 60_000), ("s", "second", 1_000))
_MILLISECONDS = {"ms": 1} | {unit: milliseconds for unit, _, milliseconds in _UNITS}
_DURATION = re.compile(r"([0-9]{1,15})(ms|[smhd])", re.ASCII)


def parse_duration(text: str) -> int:
    """Return the milliseconds of a whole number with one unit: `500ms`, `10s`, `5m`, `1h`, `1d`.

    Raises ValueError, with what is allowed in its message, for anything else. A number without a unit is refused,
    because it could mean seconds or milliseconds.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a duration such as 500ms, 10s, 5m or 1h")
    return int(match[1]) * _MILLISECONDS[match[2]]


def format_duration(milliseconds: int) -> str:
    """Return the duration in the largest unit that divides it: `30s`, `5m`, `90s`, `500ms`; zero is `0s`.

    The inverse of `parse_duration`: parsing the result gives the same number.
    """
    if milliseconds == 0:
        return "0s"
    for unit, _, length in _UNITS:
        if milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms"


def describe_duration(milliseconds: int) -> str:
    """Return the duration in words, in the largest unit that divides it: `5 minutes`, `30 seconds`, `1 hour`."""
    number, name = milliseconds, "millisecond"
    for _, unit_name, length in _UNITS:
        if milliseconds and milliseconds % length == 0:
            number, name = milliseconds // length, unit_name
            break
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
