"""The request ids of a partition's last ten minutes, so that a shipper's repetition is counted once.

Time is the records' timestamps. An id that comes again within ten minutes of its last appearance is a repetition; that
depends on the last ten minutes of the log alone, so a restart that reads them again decides alike. Memory is bounded:
beyond `limit` ids the oldest are forgotten.
"""

from collections import deque
from dataclasses import dataclass, field

WINDOW_MS = 10 * 60_000
DEFAULT_LIMIT = 1_000_000  # ids, of some 200 bytes each
_CHUNK = 1_000


@dataclass
class _Chunk:
    """Ids that came one after the other, and the offset at which the first of them did."""

    first_offset: int
    newest: int
    ids: list[str] = field(default_factory=list)


class RecentIds:
    """The ids that were seen; timestamps are in milliseconds."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._seen: dict[str, int] = {}
        self._chunks: deque[_Chunk] = deque()
        self._newest = 0
        self.forgotten_early = 0
        """How many ids were forgotten because there were too many."""

    def __len__(self) -> int:
        return len(self._seen)

    def is_repeated(self, request_id: str, timestamp: int, offset: int) -> bool:
        """Take note of an id; return whether it came within the last ten minutes."""
        self._newest = max(self._newest, timestamp)
        before = self._seen.get(request_id)
        self._seen[request_id] = timestamp if before is None else max(before, timestamp)
        if not self._chunks or len(self._chunks[-1].ids) >= _CHUNK:
            self._forget()
            self._chunks.append(_Chunk(offset, timestamp))
        chunk = self._chunks[-1]
        chunk.ids.append(request_id)
        chunk.newest = max(chunk.newest, timestamp)
        return before is not None and abs(timestamp - before) <= WINDOW_MS

    def replay_from(self, offset: int) -> int:
        """Return where reading must begin for these ids to be known again; `offset` when there are none."""
        self._forget()
        return self._chunks[0].first_offset if self._chunks else offset

    def _forget(self) -> None:
        while self._chunks:
            oldest = self._chunks[0]
            expired = oldest.newest < self._newest - WINDOW_MS
            if not expired and len(self._seen) <= self._limit:
                return
            self._chunks.popleft()
            for each in oldest.ids:
                last = self._seen.get(each)
                if last is not None and last <= oldest.newest:
                    del self._seen[each]
                    self.forgotten_early += not expired
