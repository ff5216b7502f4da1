"""Answers that are made once: what is asked for again before anything new has come is sent from memory.

An answer follows from the query and the windows, and the windows from how far the topic was read, so as long as that
stays the same (`WindowHistory.version`), the same query gets the same bytes. Answers are kept gzipped, as most clients
want them, and unpacked part by part for the others: all windows as CSV are 4 MB, and 0.2 MB gzipped. At most
`MAX_BYTES` are kept, the newest used ones; what is larger than that is made each time. When several ask at once for the
same, one of them makes it and the others wait.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

MAX_BYTES = 16 << 20
_OVERHEAD_BYTES = 1 << 10
"""Of a kept answer, beside its own bytes; more than it is."""

_PART_BYTES = 64 << 10
_PACKED_PART_BYTES = 4 << 10
_GZIP = 31  # zlib's wbits for the gzip format
_LEVEL = 4


@dataclass(frozen=True)
class Answer:
    """A body, gzipped; `size` is how many bytes it has unpacked."""

    packed: bytes
    size: int

    def packed_parts(self) -> Iterator[bytes]:
        """Return it gzipped, in parts of 64 kB: a slow client has its time for each of them."""
        for start in range(0, len(self.packed), _PART_BYTES):
            yield self.packed[start : start + _PART_BYTES]

    def parts(self) -> Iterator[bytes]:
        """Return it unpacked, in parts of at most 64 kB."""
        unpacker = zlib.decompressobj(wbits=_GZIP)
        for start in range(0, len(self.packed), _PACKED_PART_BYTES):
            packed = self.packed[start : start + _PACKED_PART_BYTES]
            while packed:
                yield unpacker.decompress(packed, _PART_BYTES)
                packed = unpacker.unconsumed_tail


class Answers:
    """The kept answers; safe to use from several threads. A `version` is a number that rises when windows change."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._version = 0
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._bytes = 0
        self._in_the_making: dict[tuple[Hashable, int], Future[Answer]] = {}

    def find(self, query: Hashable, version: int) -> Answer | None:
        """Return what was made for the query at this version, or is being made; None for neither."""
        with self._lock:
            if version == self._version and query in self._kept:
                self._kept.move_to_end(query)
                return self._kept[query]
            making = self._in_the_making.get((query, version))
        return None if making is None else making.result()

    def make(self, query: Hashable, version: int, parts: Callable[[], Iterable[bytes]]) -> Answer:
        """Return the answer to the query at this version, made of `parts` unless that was done meanwhile."""
        making: Future[Answer] = Future()
        with self._lock:
            others = self._in_the_making.setdefault((query, version), making)
        if others is not making:
            return others.result()
        try:
            answer = _packed(parts())
            making.set_result(answer)
        except BaseException as error:
            making.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._in_the_making[(query, version)]
                if making.exception() is None:
                    self._keep(query, version, answer)
        return answer

    def __len__(self) -> int:
        return len(self._kept)

    def _keep(self, query: Hashable, version: int, answer: Answer) -> None:
        if version > self._version:
            self._version = version
            self._kept.clear()
            self._bytes = 0
        size = len(answer.packed) + _OVERHEAD_BYTES
        if version < self._version or size > self._max_bytes or query in self._kept:
            return
        self._kept[query] = answer
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.packed) + _OVERHEAD_BYTES


def _packed(parts: Iterable[bytes]) -> Answer:
    packer = zlib.compressobj(level=_LEVEL, wbits=_GZIP)
    packed, size = [], 0
    for part in parts:
        packed.append(packer.compress(part))
        size += len(part)
    packed.append(packer.flush())
    return Answer(b"".join(packed), size)
