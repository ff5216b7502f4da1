"""Record batches to counts: the hot path of the processor. Used by `clickstream_streams.native_counting`."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, Self, final, overload

__version__: Final[str]

class TooLarge(ValueError):
    """The batch unpacks to more than is allowed."""

@final
class Record:
    """A record of a batch; `timestamp` is in milliseconds since the epoch, or whatever the producer has set."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> list[tuple[str, bytes | None]]: ...

@final
class Batch(Sequence[Record]):
    """A record batch of format 2, uncompressed or LZ4, unpacked and walked: every length checked, nothing counted.

    The batch is `fetched[start:end]`, its CRC was checked before. Records before `first_offset` are left out. Raises
    TooLarge if it unpacks to more than `most_bytes`, and ValueError if it can't be read.
    """

    def __new__(cls, fetched: bytes, start: int, end: int, first_offset: int, most_bytes: int) -> Self: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

class _Event(Protocol):
    user_id: str
    session_id: str
    event_type: str
    page_url: str
    referrer: str
    device_type: str
    duration_ms: int

_Judge = Callable[[Any, int, bool, int], tuple[int, bool, int, int, _Event | None]]
"""`judge(record, highest, ahead, over)` takes a record that is not surely counted.

It returns the new `highest`, `ahead` and `over`, and the window in which an event is to be counted, None if the record
is refused. The record is a `Record`, or the caller's own object.
"""

@final
class Counter:
    """The counts of one partition that are not yet drained, by window. All times are in milliseconds."""

    def __new__(cls, window_size: int, max_clock_skew: int, by_arrival: bool, exact_limit: int) -> Self: ...
    def take(
        self,
        records: Batch | Sequence[Any],
        end_offset: int,
        over: int,
        behind: int,
        believed_to: int,
        judge: _Judge,
    ) -> tuple[int, bool, list[tuple[int, int, int, int]], list[int]]:
        """Count the records with offsets below `end_offset`.

        Returns the largest believed time, whether there was a later one, the window, events, first and last offset of
        each window that was counted in, in order of first appearance, and the windows that must be drained now. If
        `judge` raises, so does this: the counter is then of no more use.
        """

    def drain(
        self, window: int
    ) -> tuple[int, int, dict[str, int], dict[str, int], dict[str, int], dict[str, int], bytes, bytes] | None:
        """Return and forget the counts of a window; None if there are none.

        Events, sum of durations, event types, devices, referrers, pages, users and sessions. Maps are in order of first
        appearance; users and sessions are packed 64-bit XXH3 hashes in native order.
        """

    def clear(self) -> None:
        """Forget all counts."""
