"""What the partitions have counted in each window: in memory as far as it fits, the rest in the log.

A share is one partition's: a whole partial and what was added to it since, as the bytes that were read. All shares
together have at most MOST_HELD_BYTES. When they exceed this, those of the latest windows are dropped from memory, but
for the offsets of their records: they are read back when the window is due. So a partition that lags by a day keeps the
other partitions' windows of that day open, but not in memory.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping

from clickstream_streams.counts import PartialCounts
from clickstream_streams.partials import PartialPart, decode_counts

MOST_HELD_BYTES = 256 * 1024 * 1024
_TRIMMED_TO = 0.75
"""Of the maximum: dropping a few each time would look through all windows for each partial."""

_OBJECT_BYTES = 200
"""Of a partial beside its payload."""


class _Share:
    """One partition's share of a window. `payloads` is None while they are only in the log, at `offsets`."""

    def __init__(self) -> None:
        self.offsets = array("q")
        self.payloads: list[bytes] | None = []
        self.size_bytes = 0


class Shares:
    """The shares of all windows; `held_bytes` is how much of them is in memory."""

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self.held_bytes = 0
        self._most_bytes = most_bytes
        self._windows: dict[int, dict[int, _Share]] = {}
        self._first_offsets: dict[int, int] = {}

    def add(self, window: int, partition: int, offsets: Iterable[int], payload: bytes, *, whole: bool) -> None:
        """Add a partial whose parts stand at `offsets`; a whole one replaces the partition's share."""
        shares = self._windows.setdefault(window, {})
        share = shares.get(partition)
        if share is None or whole:
            self._release(shares.get(partition))
            share = shares[partition] = _Share()
        share.offsets.extend(offsets)
        first = share.offsets[0]
        self._first_offsets[window] = min(first, self._first_offsets.get(window, first))
        size = len(payload) + _OBJECT_BYTES
        share.size_bytes += size
        if share.payloads is not None:
            share.payloads.append(payload)
            self.held_bytes += size
            self._trim()

    def forget(self, window: int) -> None:
        """Drop all shares of the window."""
        self._first_offsets.pop(window, None)
        for share in self._windows.pop(window, {}).values():
            self._release(share)

    def first_offset(self) -> int | None:
        """Return an offset before all records of these windows, None without windows."""
        return min(self._first_offsets.values(), default=None)

    def counts(self, window: int) -> dict[int, list[PartialCounts]]:
        """Return the window's partials by partition, each to be added up in order; they must be in memory."""
        shares = self._windows[window]
        return {number: [decode_counts(each) for each in shares[number].payloads or ()] for number in sorted(shares)}

    # -- what is only in the log --------------------------------------------------------------------------------------

    def missing(self, window: int) -> list[int]:
        """Return the offsets of the window's records that have to be read back."""
        return sorted(offset for share in self._missing(window) for offset in share.offsets)

    def missing_bytes(self, window: int) -> int:
        """Return how much memory they take once they are read."""
        return sum(share.size_bytes for share in self._missing(window))

    def read_back(self, windows: Collection[int], parts: Mapping[int, PartialPart]) -> None:
        """Take the records of these windows that were missing, by offset. They stay until the next `add` or `trim`."""
        for window in windows:
            for share in self._missing(window):
                share.payloads = list(_joined(parts[offset] for offset in share.offsets))
                self.held_bytes += share.size_bytes

    def trim(self) -> None:
        """Drop from memory what exceeds the maximum, of the latest windows first."""
        self._trim()

    def _missing(self, window: int) -> Iterator[_Share]:
        return (share for share in self._windows[window].values() if share.payloads is None)

    def _trim(self) -> None:
        if self.held_bytes <= self._most_bytes:
            return
        for window in sorted(self._windows, reverse=True):
            for share in self._windows[window].values():
                self._release(share)
                share.payloads = None
            if self.held_bytes <= self._most_bytes * _TRIMMED_TO:
                return

    def _release(self, share: _Share | None) -> None:
        if share is not None and share.payloads is not None:
            self.held_bytes -= share.size_bytes


def _joined(parts: Iterable[PartialPart]) -> Iterator[bytes]:
    """Yield the payload of each partial; its parts follow one another."""
    pieces: list[bytes] = []
    for part in parts:
        pieces.append(part.payload)
        if part.part == part.parts - 1:
            yield b"".join(pieces)
            pieces = []
