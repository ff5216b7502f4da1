"""Times in words, also those that no date-time can hold: a forged record may have any."""

from clickstream_core.timestamps import FIRST_MS, LAST_MS, format_seconds

NEVER, FOREVER = -(1 << 60), 1 << 60
"""Milliseconds since the epoch before and after any time, with room to add durations; SQL's BIGINT holds them too."""


def in_seconds(moment_ms: int) -> str:
    """Return the time as `2026-11-27T09:00:00Z`, from milliseconds since the epoch."""
    if moment_ms >= LAST_MS:
        return "after the year 9999"
    return "before the year 1" if moment_ms < FIRST_MS else format_seconds(moment_ms)
