"""How much one visitor and one site may send: token buckets, one for each address and each site key.

A bucket holds ten seconds' worth and fills steadily. A request passes while its bucket is not empty and may overdraw
it, so that a batch as large as the snippet sends them passes at once, and what follows waits for it. Only the buckets
of the latest `MOST_BUCKETS` names are remembered; a name that was forgotten has a full one.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

MOST_BUCKETS = 100_000

_BURST_SECONDS = 10.0


class RateLimit:
    """At most `rate` events per second for each name, infinity for no limit; `clock` gives seconds that only rise."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, events: int) -> int:
        """Let `events` of `name` pass and return 0, or else return after how many seconds to ask again."""
        if math.isinf(self._rate):
            return 0
        now = self._clock()
        capacity = max(1.0, self._rate * _BURST_SECONDS)
        tokens, at = self._buckets.get(name, (capacity, now))
        tokens = min(capacity, tokens + (now - at) * self._rate)
        if tokens <= 0:
            return min(3600, math.ceil(-tokens / self._rate) + 1)
        self._buckets[name] = (tokens - events, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0
