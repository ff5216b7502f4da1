"""How many events are due at a moment.

Event k of a run is due at `start + k / rate`, so the rate is exact over any span and the events are spread evenly
within each second. The generating loop asks every few milliseconds; a turn that comes a little late is made up for,
at no more than twice the rate. After a real pause (Kafka was away, the process was stopped) nothing is made up for:
the schedule begins anew at that moment and goes on at the rate, because a burst of old events would not be the load
that was asked for.
"""

import math

TICK = 0.005
"""Seconds between two looks at the schedule."""

_LONGEST_HICCUP = 2.0
_WIDEST_TURN = 4 * TICK
_ROUNDING = 1e-6


class Pace:
    """The schedule of one stream of events.

    `rate` is in events per second; `start` is the moment of the first event, in seconds of the clock that the caller
    asks with.
    """

    def __init__(self, rate: float, start: float) -> None:
        self._rate = rate
        self._origin = start
        self._taken = 0
        self._asked_at = start

    def due(self, now: float) -> int:
        """Return how many events to generate now: those due before `now`, as far as one turn may make up for."""
        turn = min(max(now - self._asked_at, 0.0), _WIDEST_TURN)
        self._asked_at = now
        behind = math.ceil((now - self._origin) * self._rate - _ROUNDING) - self._taken
        if behind > max(1.0, _LONGEST_HICCUP * self._rate):
            self._origin, self._taken = now, 0
            return 0
        return max(0, min(behind, math.ceil(2 * turn * self._rate - _ROUNDING)))

    def take(self, events: int) -> None:
        """Note that `events` were generated."""
        self._taken += events
