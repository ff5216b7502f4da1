"""When a window closes.

A partition's watermark means: no event older than this is expected any more. Records raise it, to the largest
min(event time, record timestamp) among them minus OUT_OF_ORDERNESS; the record timestamp caps it, so that one device
with a wrong clock can't push a partition into the future. A partition without further records would hold its last
window open indefinitely, so when it is caught up and no record has raised its watermark for IDLE_TIMEOUT, the watermark
follows the brokers' clock (`clickstream_kafka.clock`) minus OUT_OF_ORDERNESS. A partition counts as caught up only if
fetches have confirmed it all that time: after a pause of the loop or of the fetches the time starts again, so a
partition that lags is never taken for idle. A watermark never falls.

A topic may accept records whose timestamps are ahead of the clock: a machine whose clock is forty minutes fast would
make the events of all others late for that long. A time more than MAX_CLOCK_SKEW after the clock is therefore not
believed and raises no watermark, so no watermark rises above the clock + MAX_CLOCK_SKEW. Nor is it remembered until the
clock gets there: it says nothing about the events of others. A partition may get only such records (the wrong clock may
be the brokers'). It is not idle then, and its windows would stay open: so when it is caught up, and nothing has raised
the watermark for IDLE_TIMEOUT, one of these records counts as a record of now. A decision of the clock is made once:
the watermark is part of the commit, and a replay takes it from there.

A window closes when the watermarks of all the topic's partitions have reached its end (`topic_watermark`); a partition
without a watermark holds every window open. A partition's window is over, and its further events are late, when that
partition's own watermark has passed the window's end by ALLOWED_LATENESS (`final_before`).
"""

from collections.abc import Mapping

from clickstream_streams.windows import NEVER

MAX_GAP_MS = 2_000
"""After a longer gap between two turns, or two confirmed fetches, a partition may have records that were not seen."""


class PartitionWatermark:
    """The watermark of one partition.

    `value` is in milliseconds since the epoch; `out_of_orderness` and `idle_timeout` are milliseconds; monotonic times
    are milliseconds of a clock that only rises.
    """

    def __init__(self, *, out_of_orderness: int, idle_timeout: int, monotonic: int, value: int = NEVER) -> None:
        self.value = value
        self.out_of_orderness = out_of_orderness
        self._idle_timeout = idle_timeout
        self._quiet_since = monotonic
        self._raised_at = monotonic
        self._last_turn = monotonic
        self._ahead = False

    def observe(self, highest: int, *, ahead: bool, monotonic: int) -> None:
        """Note records whose largest believed min(event time, record timestamp) is `highest`.

        `ahead` is whether there were others too far ahead of the clock to be believed.
        """
        self._raise(highest, monotonic)
        self._ahead = self._ahead or ahead

    def turn(self, *, caught_up: bool, clock: int, monotonic: int) -> None:
        """Let the watermark follow `clock` (milliseconds since the epoch) if the partition has been idle long enough.

        Called in each turn of the partition's loop; `caught_up` is whether a recent fetch confirmed that every record
        of the partition was read.
        """
        if not caught_up or monotonic - self._last_turn > MAX_GAP_MS:
            self._quiet_since = monotonic
        self._last_turn = monotonic
        if self._ahead and caught_up and monotonic - self._raised_at >= self._idle_timeout:
            self._raise(clock, monotonic)
        if monotonic - self._quiet_since >= self._idle_timeout:
            self.value = max(self.value, clock - self.out_of_orderness)

    def _raise(self, time: int, monotonic: int) -> None:
        if time - self.out_of_orderness > self.value:
            self.value = time - self.out_of_orderness
            self._quiet_since = self._raised_at = monotonic
            self._ahead = False


class CaughtUp:
    """Whether a partition's log has been read to its end, according to recent successful fetches."""

    def __init__(self) -> None:
        self._fetched_at: int | None = None
        self._turned_at = NEVER
        self._confirmed_at = NEVER

    def turn(self, *, position: int, end: int | None, fetched_at: int | None, monotonic: int) -> bool:
        """Return whether the partition is caught up at this turn.

        `position` is the next offset to read, `end` the log's end according to the last successful fetch, `fetched_at`
        any value that differs from fetch to fetch. A fetch that is new at this turn was answered after the previous
        turn, so it confirms the end as of then.
        """
        if fetched_at != self._fetched_at:
            self._fetched_at = fetched_at
            self._confirmed_at = self._turned_at
        self._turned_at = monotonic
        recent = monotonic - self._confirmed_at <= MAX_GAP_MS
        return end is not None and position >= end and recent


def final_before(watermark: int, allowed_lateness: int) -> int:
    """Return the time T such that windows that end at T or before are over in a partition with this watermark."""
    return watermark - allowed_lateness


def topic_watermark(watermarks: Mapping[int, int], partitions: int) -> int:
    """Return the smallest watermark of the topic's partitions; {partition: watermark} of those that are known.

    `partitions` is how many the topic is known to have; a missing one counts as NEVER.
    """
    if any(partition not in watermarks for partition in range(partitions)):
        return NEVER
    return min(watermarks.values(), default=NEVER)


def slowest_partition(watermarks: Mapping[int, int], partitions: int) -> tuple[int, int]:
    """Return the partition that holds the windows open, and its watermark (NEVER when unknown)."""
    return min(((watermarks.get(p, NEVER), p) for p in {*range(partitions), *watermarks}), default=(NEVER, 0))[::-1]
