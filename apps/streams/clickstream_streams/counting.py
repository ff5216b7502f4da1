"""The seam between a partition and what counts its records: `python_counting` in Python, `native_counting` in Rust.

Both decide and count alike; Python's is the reference. A record that is counted without further ado is the business of
the implementation. Every other one is given to the judge (`judging`) in its turn, because a refused record may raise
the largest time seen, on which it depends whether the next one is late.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from clickstream_core.events import CountedEvent
from clickstream_kafka.records import Record
from clickstream_streams.counts import PartialCounts
from clickstream_streams.spans import Span
from clickstream_streams.windows import CountingRules


@dataclass(frozen=True)
class Bounds:
    """What is decided about the next records, all in milliseconds.

    Windows that end at `over` or before are over, and those that the largest time seen is `behind` past. A time after
    `believed_to` (since the epoch) is too far ahead of the clock to be believed. Records from `end_offset` on are left
    out.
    """

    over: int
    behind: int
    believed_to: int
    end_offset: int


class Verdict(NamedTuple):
    """The state after a record: the largest believed time, whether a later one was seen, and the end of what is over.

    `event` is to be counted in `window`, or None if the record was refused.
    """

    highest: int
    ahead: bool
    over: int
    window: int
    event: CountedEvent | None


Judge = Callable[[Record, int, bool, int], Verdict]
"""Called with a record and the state before it: highest, ahead, over."""


class Stretch(NamedTuple):
    """How many events were counted in a window, and the offsets of the first and the last of them."""

    events: int
    first: int
    last: int


class Taken(NamedTuple):
    """The largest min(event time, record timestamp) that is believed, NEVER if there is none; whether there was a later
    one; and what was counted, by window."""

    highest: int
    ahead: bool
    windows: Mapping[int, Stretch]


class Counting(Protocol):
    """The counts of one partition's windows, until they are forgotten."""

    def take(self, records: Sequence[Record], bounds: Bounds, judge: Judge) -> Taken:
        """Count the records, in the order of their offsets. If it raises, what was counted is not to be used."""

    def snapshot(self, window: int, span: Span) -> PartialCounts:
        """Return the window's counts, of the records of `span`."""

    def forget(self, window: int) -> None:
        """Count the window from nothing again."""

    @property
    def approximate_windows(self) -> int:
        """How many windows are counted by a sketch."""


MakeCounting = Callable[[CountingRules, int], Counting]
"""Called with the rules and EXACT_LIMIT."""
