"""Record batches that can't be read: they are skipped, counted and logged.

A batch may be damaged on a broker's disk, be compressed with an unknown codec, or hold garbage that a faulty client
wrote. No consumer gets past it by asking again: both client libraries raise the same error for the same offset forever.
So the batch is skipped as a whole, because its records can't be told apart. Only the bytes in the log decide, so every
replay skips the same batches. A wrong checksum may also come from a fault in memory or on the network; such a batch is
fetched once more before it is treated as corrupt.
"""

import logging
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from clickstream_core.log_throttle import LogThrottle
from clickstream_kafka.errors import BatchTooLarge

CHECKSUM = "its checksum is wrong"
_REMEMBERED = 10_000
_BASE_OFFSET = struct.Struct(">q")
_LAST_OFFSET_DELTA = 23
_COUNT = 57
_NUMBER = struct.Struct(">i")

_log = logging.getLogger(__name__)


CountUnreadable = Callable[[str, int, int], None]
"""Called with topic, partition and number of records for each batch that is skipped."""


def uncounted(topic: str, partition: int, records: int) -> None:
    """Count nothing: for apps without consumers of their own."""


class Offsets(NamedTuple):
    """The skipped offsets, from `first` up to but not including `end`."""

    first: int
    end: int


class Unreadable:
    """Counts and logs the batches that the consumers of a process skip.

    `count` is called once for each batch, even if it is read again by another consumer, or by the same one after a
    restart from the log. A partition gets a line in the log at most once in 30 s, with the total since the last one.
    """

    def __init__(self, count: CountUnreadable, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._throttle = LogThrottle()
        self._suspects: dict[tuple[str, int], int] = {}
        self._known: set[tuple[str, int, int]] = set()
        self._in_order: deque[tuple[str, int, int]] = deque()
        self._unlogged: dict[tuple[str, int], int] = {}

    def fetch_again(self, topic: str, partition: int, first: int) -> bool:
        """Whether the batch at the offset `first` should be fetched again before it is skipped."""
        if (topic, partition, first) in self._known or self._suspects.get((topic, partition)) == first:
            self._suspects.pop((topic, partition), None)
            return False
        self._suspects[topic, partition] = first
        return True

    def skipped(self, topic: str, partition: int, offsets: Offsets, reason: str) -> None:
        """Count and log the offsets of a batch, unless that was done before."""
        batch = (topic, partition, offsets.first)
        if batch in self._known:
            return
        self._known.add(batch)
        self._in_order.append(batch)
        if len(self._in_order) > _REMEMBERED:
            self._known.discard(self._in_order.popleft())
        count = offsets.end - offsets.first
        self._count(topic, partition, count)
        place = (topic, partition)
        unlogged = self._unlogged.pop(place, 0) + count
        due = self._throttle.allow(place, self._clock())
        if not due:
            self._unlogged[place] = unlogged
        more = f", {unlogged} since the last message" if unlogged > count else ""
        _log.log(
            logging.WARNING if due else logging.DEBUG,
            "Skipped %d records of %s[%d], offsets %d to %d%s: the batch can't be read, %s",
            count,
            topic,
            partition,
            offsets.first,
            offsets.end - 1,
            more,
            reason,
            extra={"topic": topic, "partition": partition, "offset": offsets.first, "reason": reason},
        )


def end_of_corrupt(header: bytes, following: bytes, asked_for: int) -> int:
    """Return the offset at which to go on after a batch whose checksum is wrong; its own fields can't be trusted.

    `header` is its beginning, `following` what was fetched after it, `asked_for` the requested offset. The
    offset of the next batch is reliable, and need not have been fetched as a whole. Without one the batch's own last
    offset is taken if its number of records agrees with it, else only the requested offset is skipped.

    The layout is that of Kafka's record batches (magic 2): an int64 offset, at byte 23 an int32 with the last record's
    offset relative to it, at byte 57 an int32 with the number of records.
    """
    first = _BASE_OFFSET.unpack_from(header)[0]
    if len(following) >= _BASE_OFFSET.size:
        end: int = _BASE_OFFSET.unpack_from(following)[0]
        if end > max(first, asked_for):
            return end
    if len(header) >= _COUNT + _NUMBER.size:
        delta, count = _NUMBER.unpack_from(header, _LAST_OFFSET_DELTA)[0], _NUMBER.unpack_from(header, _COUNT)[0]
        if count == delta + 1 > 0 and first + count > asked_for:
            return int(first + count)
    return asked_for + 1


def describe(error: Exception) -> str:
    """Return why a batch can't be read: the library's error, with its name."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, BatchTooLarge):
        return text
    return text if name in text else f"{name}: {text}".removesuffix(": ")
