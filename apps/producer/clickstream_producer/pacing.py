"""How many events are due at a moment.

Event k of a run is due at `start + k / rate`, so the rate is exact over any period and the events are spread evenly
within each second. The generating loop asks every few milliseconds. A turn that comes a little late is caught up, at no
more than twice the rate. After a longer pause (Kafka was away, the process was stopped) nothing is caught up: the
schedule starts again at that moment, because a burst of old events would not be the requested load.
"""

import math

TICK_S = 0.005  # between two turns of the generating loop
_MAX_HICCUP_S = 2.0
_MAX_TURN_S = 4 * TICK_S
_ROUNDING = 1e-6


class Pace:
    """The schedule of one stream of events.

    `rate` is in events per second; `start` is the time of the first event, in seconds of the caller's clock.
    """

    def __init__(self, rate: float, start: float) -> None:
        self._rate = rate
        self._origin = start
        self._taken = 0
        self._asked_at = start

    def due(self, now: float) -> int:
        """Return how many events to generate now: those due before `now`, up to what one turn may catch up."""
        turn = min(max(now - self._asked_at, 0.0), _MAX_TURN_S)
        self._asked_at = now
        behind = math.ceil((now - self._origin) * self._rate - _ROUNDING) - self._taken
        if behind > max(1.0, _MAX_HICCUP_S * self._rate):
            self._origin, self._taken = now, 0
            return 0
        return max(0, min(behind, math.ceil(2 * turn * self._rate - _ROUNDING)))

    def take(self, events: int) -> None:
        self._taken += events
