"""Tumbling windows, aligned to the epoch: every time belongs to exactly one window [start, end).

All times here are integers in milliseconds since 1970-01-01T00:00:00Z, and a window is named by its start.
"""

from typing import Literal

import msgspec

WindowTime = Literal["event", "arrival"]

NEVER = -(10**15)
"""Earlier than any time in a record: the watermark of a partition from which no record has been read."""


class CountingRules(msgspec.Struct, frozen=True, array_like=True):
    """The settings that decide what is counted in which window; state made under other rules can't be used.

    `window_size` and `max_clock_skew` are in milliseconds; `window_time` is "event" (the event's timestamp) or
    "arrival" (the Kafka record's).
    """

    window_size: int
    window_time: WindowTime
    max_clock_skew: int

    def window_of(self, time: int) -> int:
        """Return the start of the window that `time` belongs to."""
        return time - time % self.window_size

    def end_of(self, window: int) -> int:
        """Return the end of the window that starts at `window`; it does not belong to the window."""
        return window + self.window_size

    def round_up(self, time: int) -> int:
        """Return the first window bound at or after `time`."""
        return -(-time // self.window_size) * self.window_size
