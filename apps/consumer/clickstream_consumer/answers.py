"""A cache of the API's answers: the same query gets the same bytes until a new result arrives.

An answer depends on the query and on how far the topic was read (`WindowHistory.version`). Answers are kept gzipped, as
most clients want them, and unpacked part by part for the others. When several clients ask for the same at once, one
thread makes the answer and the others wait for it.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

MAX_BYTES = 16 << 20
_OVERHEAD_BYTES = 1 << 10  # of a kept answer in addition to its bytes, rounded up
_PART_BYTES = 64 << 10
_PACKED_PART_BYTES = 4 << 10
_GZIP = 31  # zlib's wbits for the gzip format
_LEVEL = 4


@dataclass(frozen=True)
class Answer:
    """A gzipped body; `size` is its unpacked length in bytes."""

    packed: bytes
    size: int

    def parts(self) -> Iterator[bytes]:
        """Return it unpacked, in parts of at most 64 KiB."""
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
        self._in_progress: dict[tuple[Hashable, int], Future[Answer]] = {}

    def find(self, query: Hashable, version: int) -> Answer | None:
        """Return the answer to the query at this version if it was made or is being made, otherwise None."""
        with self._lock:
            if version == self._version and query in self._kept:
                self._kept.move_to_end(query)
                return self._kept[query]
            making = self._in_progress.get((query, version))
        return None if making is None else making.result()

    def make(self, query: Hashable, version: int, parts: Callable[[], Iterable[bytes]]) -> Answer:
        """Return the answer to the query at this version, made of `parts` unless another thread makes it."""
        making: Future[Answer] = Future()
        with self._lock:
            others = self._in_progress.setdefault((query, version), making)
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
                del self._in_progress[(query, version)]
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
