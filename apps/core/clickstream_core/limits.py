"""How much one name may have, in events and in bytes: token buckets, for each visitor's address or site's key.

A bucket holds ten seconds' worth and fills steadily. A request passes while neither of its name's two buckets is empty
and may overdraw them, so that a batch as large as the snippet sends them passes at once, and what follows waits for it.
A bucket is kept as the time at which it will be full again, as the generic cell rate algorithm does (ITU-T I.371).
Names whose buckets are full are forgotten, and of the others only the latest `MOST_BUCKETS` are remembered; a name that
was forgotten has full ones.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

MOST_BUCKETS = 100_000
"""Names that are remembered, some 35 MB of memory."""

_BURST_S = 10.0
_LONGEST_WAIT_S = 3600
_ROUNDING_S = 1e-6


class RateLimit:
    """At most `rate` events and `byte_rate` bytes per second for each name, infinity for no limit.

    `clock` gives seconds that only rise. A bucket holds one event, or an event's share of the bytes, at least.
    """

    def __init__(self, rate: float, clock: Callable[[], float], byte_rate: float = math.inf) -> None:
        self._rate = rate
        self._byte_rate = byte_rate
        self._burst_s = max(_BURST_S, 1 / rate)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, events: int) -> int:
        """Let `events` of `name` pass and return 0, or else return after how many seconds to ask again.

        No events is a question: whether the name may pass at all.
        """
        if math.isinf(self._rate) and math.isinf(self._byte_rate):
            return 0
        now = self._clock()
        events_full_at, bytes_full_at = self._buckets.get(name, (now, now))
        wait_s = self._wait_s(max(events_full_at, bytes_full_at), now)
        if not wait_s and events:
            self._remember(name, max(events_full_at, now) + events / self._rate, bytes_full_at, now)
        return wait_s

    def take_bytes(self, name: str, size: int) -> int:
        """Let `size` bytes of `name` pass, whose events have passed, and return 0, or else after how many seconds."""
        if math.isinf(self._byte_rate):
            return 0
        now = self._clock()
        events_full_at, bytes_full_at = self._buckets.get(name, (now, now))
        wait_s = self._wait_s(bytes_full_at, now)
        if not wait_s:
            self._remember(name, events_full_at, max(bytes_full_at, now) + size / self._byte_rate, now)
        return wait_s

    def lacks_bytes(self, name: str) -> bool:
        """Whether a name that may not pass has to wait for bytes rather than for events."""
        events_full_at, bytes_full_at = self._buckets.get(name, (0.0, 0.0))
        return bytes_full_at > events_full_at

    def _wait_s(self, full_at: float, now: float) -> int:
        wait_s = full_at - now - self._burst_s
        return 0 if wait_s < -_ROUNDING_S else min(_LONGEST_WAIT_S, math.ceil(wait_s) + 1)

    def _remember(self, name: str, events_full_at: float, bytes_full_at: float, now: float) -> None:
        """Keep a name's buckets, and forget those seen longest ago: above the bound, and up to two that are full."""
        self._buckets[name] = (events_full_at, bytes_full_at)
        self._buckets.move_to_end(name)
        for _ in range(2):
            oldest = next(iter(self._buckets))
            if len(self._buckets) > MOST_BUCKETS or max(self._buckets[oldest]) <= now:
                del self._buckets[oldest]
            if not self._buckets:
                return
