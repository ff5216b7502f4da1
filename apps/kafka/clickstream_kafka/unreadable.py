"""Record batches that nobody can read, and what is said of them.

A batch may be damaged on a broker's disk, be compressed by a codec that does not exist, or hold nonsense that was
written by a faulty client. No consumer gets past it by asking again: both client libraries raise the same error for the
same offset for ever. So it is skipped as a whole, for nothing in it can be told from the rest: counted by its offsets,
and named in the log. The log's bytes decide, so a batch that was skipped once is skipped by every replay too.

A checksum that does not fit may also come from a fault in memory or on the way; such a batch is fetched once more
before it is believed to be broken.
"""

import logging
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from clickstream_core.log_throttle import LogThrottle
from clickstream_kafka.patches.bounded_unpacking import BatchTooLarge

CHECKSUM = "its checksum does not fit"
_REMEMBERED = 10_000
_BASE_OFFSET = struct.Struct(">q")
_LAST_OFFSET_DELTA = 23
_COUNT = 57
_NUMBER = struct.Struct(">i")

_log = logging.getLogger(__name__)


class Offsets(NamedTuple):
    """Those that are skipped: from `first` up to and without `end`."""

    first: int
    end: int


class Unreadable:
    """Takes note of batches that are skipped, by all consumers of a process.

    `count(topic, partition, offsets)` is called once for each batch, also when it is read again by another consumer, or
    by the same one after it has begun again. The log tells of a partition at most once in 30 s, with the total since.
    """

    def __init__(self, count: Callable[[str, int, int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._throttle = LogThrottle()
        self._suspects: dict[tuple[str, int], int] = {}
        self._known: set[tuple[str, int, int]] = set()
        self._in_order: deque[tuple[str, int, int]] = deque()
        self._unsaid: dict[tuple[str, int], int] = {}

    def fetch_again(self, topic: str, partition: int, first: int) -> bool:
        """Whether the batch that begins at the offset `first` should be fetched once more before it is skipped."""
        if (topic, partition, first) in self._known or self._suspects.get((topic, partition)) == first:
            self._suspects.pop((topic, partition), None)
            return False
        self._suspects[topic, partition] = first
        return True

    def skipped(self, topic: str, partition: int, offsets: Offsets, reason: str) -> None:
        """Count these offsets of a batch and name them, unless it was done before."""
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
        unsaid = self._unsaid.pop(place, 0) + count
        due = self._throttle.allow(place, self._clock())
        if not due:
            self._unsaid[place] = unsaid
        more = f", {unsaid} with those before" if unsaid > count else ""
        _log.log(
            logging.WARNING if due else logging.DEBUG,
            "Skipped %d records of %s[%d] at the offsets %d to %d%s: the batch can't be read, %s",
            count,
            topic,
            partition,
            offsets.first,
            offsets.end - 1,
            more,
            reason,
            extra={"topic": topic, "partition": partition, "offset": offsets.first, "reason": reason},
        )


def end_of_broken(header: bytes, following: bytes, asked_for: int) -> int:
    """Return where to go on behind a batch whose checksum does not fit, so that nothing it says is certain.

    `header` is its beginning, `following` what was fetched behind it, `asked_for` the offset that was to be read. The
    offset of the next batch is certain, which need not have been fetched as a whole. Without one the batch's own last
    offset is taken when its number of records agrees with it, else only the offset that was asked for is passed over.

    The layout is that of Kafka's record batches (magic 2): an int64 offset, at byte 23 an int32 with what the last
    record's offset is beyond it, at byte 57 an int32 with the number of records.
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


def in_words(error: Exception) -> str:
    """Say why a batch can't be read: the library's error, with its name."""
    name, text = type(error).__name__, str(error)
    if isinstance(error, BatchTooLarge):
        return text
    return text if name in text else f"{name}: {text}".removesuffix(": ")
