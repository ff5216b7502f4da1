"""Record batches and counts in Rust; see `clickstream_streams.native_counting`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, overload

__version__: Final[str]

class TooLarge(ValueError):
    """A batch unpacks to more than allowed."""

class Record:
    """A record of a batch; `timestamp` is in milliseconds since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

class Batch(Sequence[Record]):
    """A record batch of format 2, unpacked, with every length checked; its checksum is not."""

    def __init__(self, fetched: bytes, start: int, end: int, first_offset: int, most_bytes: int) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Record]: ...
    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

class Counter:
    """What was counted in the windows of one partition and not drained yet."""

    def __init__(self, window_size: int, max_clock_skew: int, by_arrival: bool, exact_limit: int) -> None: ...
    def take(
        self,
        records: Sequence[Any],
        end_offset: int,
        over: int,
        behind: int,
        believed_to: int,
        judge: Callable[[Any, int, bool, int], tuple[int, bool, int, int, Any]],
    ) -> tuple[int, bool, list[tuple[int, int, int, int]], list[int]]: ...
    def drain(
        self, window: int
    ) -> tuple[int, int, dict[str, int], dict[str, int], dict[str, int], dict[str, int], bytes, bytes] | None: ...
    def clear(self) -> None: ...
