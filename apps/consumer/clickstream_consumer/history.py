"""The windows of the last days in memory, one result per window, for the page and its API.

A record is kept as its JSON, about 700 bytes, because every answer is made of that; decoded it would take five times as
much. The bounds are those of docs/live-page.md; the oldest windows are removed first. Receipts have a bound of their
own, `MAX_RECEIPT_BYTES`: beyond it the oldest windows lose theirs.

A position is how far the metrics topic was read: the next offset of each partition, written `0:43,1:18`. It means the
same in every replica and after every restart, so a browser that reconnects to another consumer gets what it missed.
"""

import re
import threading
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from clickstream_consumer.results import WindowResult
from clickstream_core.window_metrics import encode_window_metrics

KEPT_MS = 7 * 24 * 3600 * 1000
MAX_WINDOWS = 20_160  # 7 days of windows of 30 seconds
MAX_BYTES = 64 << 20
MAX_RECEIPT_BYTES = 16 << 20
_POSITION = re.compile(r"(?:[0-9]{1,9}:[0-9]{1,18}(?:,[0-9]{1,9}:[0-9]{1,18}){0,999})?")

Position = dict[int, int]


class Kept(msgspec.Struct, frozen=True, gc=False):
    """A window's newest result: bounds in milliseconds since the epoch, its position in Kafka, and its JSON.

    `receipt` is JSON too; None where there is none, or none any more.
    """

    start: int
    end: int
    revision: int
    partition: int
    offset: int
    json: bytes
    receipt: bytes | None = None


class Selected(NamedTuple):
    """Windows, newest last, and the history's version and position when they were selected."""

    version: int
    position: str
    windows: list[Kept]


def parse_position(text: str) -> Position:
    """Parse what `write_position` wrote; raises ValueError for anything else."""
    if _POSITION.fullmatch(text) is None:
        raise ValueError("expected a position as the API returns it, such as 0:43,1:18")
    parts = (part.split(":") for part in text.split(",") if part)
    return {int(partition): int(offset) for partition, offset in parts}


def write_position(position: Position) -> str:
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(position.items()))


class WindowHistory:
    """The kept windows; safe to use from several threads.

    `changed` is called, under the lock and in order, with each new result and the position behind it. `version` rises
    with the position: while it is the same, so are the windows.
    """

    def __init__(
        self,
        changed: Callable[[Kept, str], None] = lambda kept, position: None,
        max_windows: int = MAX_WINDOWS,
        max_bytes: int = MAX_BYTES,
        max_receipt_bytes: int = MAX_RECEIPT_BYTES,
    ) -> None:
        self._changed = changed
        self._max_windows = max_windows
        self._max_bytes = max_bytes
        self._max_receipt_bytes = max_receipt_bytes
        self._lock = threading.Lock()
        self._windows: dict[tuple[int, int], Kept] = {}
        self._order: list[tuple[int, int]] = []
        self._bytes = 0
        self._receipts: dict[tuple[int, int], int] = {}
        self._receipt_bytes = 0
        self._position: Position = {}
        self.version = 0

    def add(self, result: WindowResult) -> bool:
        """Keep `result` unless its window is known in this revision or a later one; return whether it was kept."""
        window = (result.end, result.start)
        with self._lock:
            self._position[result.partition] = result.offset + 1
            self.version += 1
            known = self._windows.get(window)
            if known is not None and known.revision >= result.metrics.revision:
                return False
            if known is None and self._order and window[0] <= self._order[-1][0] - KEPT_MS:
                return False
            json = encode_window_metrics(result.metrics)
            place = result.partition, result.offset
            kept = Kept(result.start, result.end, result.metrics.revision, *place, json, result.receipt)
            if known is None:
                insort(self._order, window)
            else:
                self._bytes -= len(known.json)
            self._windows[window] = kept
            self._bytes += len(json)
            self._forget_receipt(window)
            if kept.receipt is not None:
                self._receipts[window] = len(kept.receipt)
                self._receipt_bytes += len(kept.receipt)
            self._remove_oldest()
            self._changed(kept, write_position(self._position))
            return True

    def select(self, start: int | None = None, before: int | None = None, limit: int = MAX_WINDOWS) -> Selected:
        """Return the windows that begin at `start` or later and before `before`, the newest `limit`, newest last."""
        with self._lock:
            order = self._order
            if start is not None:
                order = [window for window in order if start <= window[1]]
            if before is not None:
                order = [window for window in order if window[1] < before]
            windows = [self._windows[window] for window in order[-limit:]]
            return Selected(self.version, write_position(self._position), windows)

    def since(self, position: Position, max_bytes: int) -> list[Kept] | None:
        """Return what came after `position`, in the topic's order of each partition.

        None when that is more than `max_bytes`, or the position is beyond what was read: the topic was recreated.
        """
        with self._lock:
            if any(offset > self._position.get(partition, 0) for partition, offset in position.items()):
                return None
            news: list[Kept] = []
            size = 0
            for kept in self._windows.values():
                if kept.offset >= position.get(kept.partition, 0):
                    news.append(kept)
                    size += len(kept.json)
                    if size > max_bytes:
                        return None
        return sorted(news, key=lambda kept: (kept.partition, kept.offset))

    def position(self) -> str:
        with self._lock:
            return write_position(self._position)

    def __len__(self) -> int:
        return len(self._windows)

    def _remove_oldest(self) -> None:
        oldest = self._order[-1][0] - KEPT_MS
        removed = 0
        while removed < len(self._order) - 1 and (
            len(self._order) - removed > self._max_windows
            or self._bytes > self._max_bytes
            or self._order[removed][0] <= oldest
        ):
            self._bytes -= len(self._windows.pop(self._order[removed]).json)
            self._forget_receipt(self._order[removed])
            removed += 1
        del self._order[:removed]
        while self._receipt_bytes > self._max_receipt_bytes:
            first = next(iter(self._receipts))  # the one that has been kept the longest
            self._forget_receipt(first)
            self._windows[first] = msgspec.structs.replace(self._windows[first], receipt=None)

    def _forget_receipt(self, window: tuple[int, int]) -> None:
        self._receipt_bytes -= self._receipts.pop(window, 0)
