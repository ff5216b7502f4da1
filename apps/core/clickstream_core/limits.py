"""Rate limits by name (a visitor's address, a site's key), in events and in bytes: token buckets.

A bucket holds ten seconds' worth and fills steadily. A request passes while neither of its name's two buckets is empty,
and may overdraw them: a batch as large as the snippet's passes at once, and later requests wait for it. A bucket is
stored as the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371). Full buckets are
dropped, and only the latest `MAX_BUCKETS` others are kept; a name without buckets has full ones.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

MAX_BUCKETS = 100_000  # names that are kept, about 35 MB of memory
_BURST_S = 10.0
_MAX_WAIT_S = 3600
_ROUNDING_S = 1e-6


class RateLimit:
    """At most `rate` events and `byte_rate` bytes per second for each name; infinity means no limit.

    `clock` gives monotonic seconds. A bucket holds at least one event, or an event's share of the bytes.
    """

    def __init__(self, rate: float, clock: Callable[[], float], byte_rate: float = math.inf) -> None:
        self._rate = rate
        self._byte_rate = byte_rate
        self._burst_s = max(_BURST_S, 1 / rate)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, events: int) -> int:
        """Let `events` of `name` pass and return 0, or return the seconds to wait.

        With 0 events it only checks whether the name may pass.
        """
        if math.isinf(self._rate) and math.isinf(self._byte_rate):
            return 0
        now = self._clock()
        events_full_at, bytes_full_at = self._buckets.get(name, (now, now))
        wait_s = self._wait_s(max(events_full_at, bytes_full_at), now)
        if not wait_s and events:
            self._store(name, max(events_full_at, now) + events / self._rate, bytes_full_at, now)
        return wait_s

    def take_bytes(self, name: str, size: int) -> int:
        """Let `size` bytes of `name`, whose events have passed, pass and return 0, or return the seconds to wait."""
        if math.isinf(self._byte_rate):
            return 0
        now = self._clock()
        events_full_at, bytes_full_at = self._buckets.get(name, (now, now))
        wait_s = self._wait_s(bytes_full_at, now)
        if not wait_s:
            self._store(name, events_full_at, max(bytes_full_at, now) + size / self._byte_rate, now)
        return wait_s

    def lacks_bytes(self, name: str) -> bool:
        """Whether a name that may not pass waits for bytes rather than for events."""
        events_full_at, bytes_full_at = self._buckets.get(name, (0.0, 0.0))
        return bytes_full_at > events_full_at

    def _wait_s(self, full_at: float, now: float) -> int:
        wait_s = full_at - now - self._burst_s
        return 0 if wait_s < -_ROUNDING_S else min(_MAX_WAIT_S, math.ceil(wait_s) + 1)

    def _store(self, name: str, events_full_at: float, bytes_full_at: float, now: float) -> None:
        """Store a name's buckets; drop the least recently used ones above the bound, and up to two full ones."""
        self._buckets[name] = (events_full_at, bytes_full_at)
        self._buckets.move_to_end(name)
        for _ in range(2):
            oldest = next(iter(self._buckets))
            if len(self._buckets) > MAX_BUCKETS or max(self._buckets[oldest]) <= now:
                del self._buckets[oldest]
            if not self._buckets:
                return
