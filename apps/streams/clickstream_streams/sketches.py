"""Distinct ids and counted names: exact up to a limit, a sketch of bounded size beyond it.

Ids are counted by their 64-bit hashes (XXH3 with a fixed seed), so that users who appear in several partitions are
counted once: sets of hashes unite. Beyond the limit a HyperLogLog takes over (`hyperloglog`): an error of at most 1.2 %
in 95 % of cases.

Names are counted in a map, and beyond the limit by frequent items (`frequent_names`): a count is off by at most 0.11 %
of all counted events, by 0.02 % where names have 40 bytes.

Memory is bounded in bytes too. Long ids are replaced by their hashes, which count just as exactly. If the names of a
window would make its partial too large (`counts`), their sketch takes over before the limit.

Sketches of Apache DataSketches, which earlier versions wrote, are read too (`datasketches_format`). Their ids unite
with one another; to the ids of other partials their estimate is added, as if none were in both.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest

import msgspec
from xxhash import xxh3_64_intdigest

from clickstream_core.events import MAX_NAME_BYTES, cut_name
from clickstream_streams.datasketches_format import is_of_datasketches, read_frequent_names, read_hyperloglog
from clickstream_streams.frequent_names import MOST_MERGED_BYTES, FrequentNames, SizedCounts, decode_frequent_names
from clickstream_streams.hyperloglog import REGISTERS, HyperLogLog, decode_hyperloglog

MOST_CHARACTERS = 2 * 1024 * 1024
"""Of the ids of one window in one partition that are kept as they are."""

HASH_BYTES = 8

MOST_MERGED_IDS = 1_000_000
"""Hashes of one window that are united exactly, over all partitions and additions: 100 MB for a moment."""

_FIRST_CHECK, _MAX_CHECK_STEP = 1024, 8192


def id_hashes(ids: Iterable[str]) -> "array[int]":
    """Return the 64-bit XXH3 hashes of the ids in UTF-8, the same in every process."""
    return array("Q", map(xxh3_64_intdigest, map(str.encode, ids)))


class IdsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A set of ids in a partial: packed 64-bit hashes in native order (little-endian), or a serialised sketch."""

    hashes: bytes = b""
    sketch: bytes = b""

    def check_sketch(self) -> None:
        """Raise UnreadableSketch if `count_distinct` would."""
        if self.sketch:
            _read_ids(self.sketch)


class DistinctIds:
    """The distinct ids of one window in one partition; `limit` is how many are kept exactly."""

    __slots__ = ("_hashes", "_ids", "_limit", "_next_check", "_sketch")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._next_check = _FIRST_CHECK
        self._ids: set[str] = set()
        self._hashes: set[int] = set()
        self._sketch: HyperLogLog | None = None

    def update(self, ids: Sequence[str]) -> None:
        """Add ids, repeated or not."""
        if self._sketch is not None:
            self._sketch.add(id_hashes(set(ids)))
            return
        if self._hashes:
            self._hashes.update(id_hashes(set(ids)))
        else:
            self._ids.update(ids)
        if not self._begins_sketch() and len(self._ids) >= self._next_check:
            self._check_size()

    def update_hashes(self, hashes: "array[int]") -> None:
        """Add ids by their `id_hashes`."""
        if self._sketch is not None:
            self._sketch.add(hashes)
            return
        self._hashes.update(hashes, id_hashes(self._ids))
        self._ids = set()
        self._begins_sketch()

    def _begins_sketch(self) -> bool:
        """Whether the limit is passed: then a sketch goes on."""
        if len(self._ids) <= self._limit and len(self._hashes) <= self._limit:
            return False
        self._sketch = HyperLogLog()
        self._sketch.add(self._hashes or id_hashes(self._ids))
        self._ids, self._hashes = set(), set()
        return True

    def _check_size(self) -> None:
        """Keep hashes instead of ids if these take too much memory; checked rarely, because it visits all of them."""
        self._next_check = len(self._ids) + min(len(self._ids), _MAX_CHECK_STEP)
        if sum(map(len, self._ids)) > MOST_CHARACTERS:
            self._hashes = set(id_hashes(self._ids))
            self._ids = set()

    @property
    def approximate(self) -> bool:
        """Whether the limit was passed."""
        return self._sketch is not None

    @property
    def size_bytes(self) -> int:
        """Bytes that these ids take in a partial, at most."""
        return REGISTERS + 1 if self._sketch is not None else HASH_BYTES * (len(self._ids) or len(self._hashes))

    def snapshot(self) -> IdsSnapshot:
        """Return these ids for a partial."""
        if self._sketch is not None:
            return IdsSnapshot(sketch=self._sketch.encode())
        hashes = array("Q", self._hashes) if self._hashes else id_hashes(self._ids)
        return IdsSnapshot(hashes=hashes.tobytes())


def count_distinct(snapshots: Sequence[IdsSnapshot]) -> tuple[int, bool]:
    """Return how many distinct ids the snapshots hold together, and whether that is an estimate.

    Raises UnreadableSketch.
    """
    exact = [_unpacked(snapshot.hashes) for snapshot in snapshots if not snapshot.sketch]
    sketches = [snapshot.sketch for snapshot in snapshots if snapshot.sketch]
    if not sketches and sum(map(len, exact)) <= MOST_MERGED_IDS:
        return len(set().union(*exact)), False
    union, earlier = HyperLogLog(), HyperLogLog()
    for sketch in sketches:
        (earlier if is_of_datasketches(sketch) else union).unite(_read_ids(sketch))
    for hashes in exact:
        union.add(hashes)
    return round(union.estimate() + earlier.estimate()), True


def _read_ids(sketch: bytes) -> HyperLogLog:
    return read_hyperloglog(sketch) if is_of_datasketches(sketch) else decode_hyperloglog(sketch)


def _unpacked(hashes: bytes) -> "array[int]":
    numbers = array("Q")
    numbers.frombytes(hashes)
    return numbers


class NamesSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """Counted names in a partial: {name: count}, or a serialised sketch."""

    counts: dict[str, int] = {}
    sketch: bytes = b""

    def check_sketch(self) -> None:
        """Raise UnreadableSketch if `most_frequent` would."""
        if self.sketch:
            _read_names(self.sketch)


class CountedNames:
    """How often each name occurred in one window of one partition; `limit` is how many names are kept exactly."""

    __slots__ = ("_exact", "_limit", "_sketch")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._exact = SizedCounts()
        self._sketch: FrequentNames | None = None

    def update(self, names: Iterable[str] | Mapping[str, int]) -> None:
        """Count the names, repeated or not, or each as often as the map says."""
        if self._sketch is not None:
            self._sketch.add(names)
            return
        self._exact.add(names)
        if len(self._exact.counts) > self._limit:
            self._begin_sketch()

    def estimate(self) -> None:
        """Switch to a sketch, and make room in it."""
        (self._sketch or self._begin_sketch()).cut()

    def _begin_sketch(self) -> FrequentNames:
        self._sketch, self._exact = FrequentNames(self._exact), SizedCounts()
        return self._sketch

    @property
    def approximate(self) -> bool:
        """Whether a sketch counts."""
        return self._sketch is not None

    @property
    def size_bytes(self) -> int:
        """Bytes that these names take in a partial, at most."""
        return self._exact.size_bytes if self._sketch is None else self._sketch.size_bytes

    def snapshot(self) -> NamesSnapshot:
        """Return these names for a partial."""
        if self._sketch is not None:
            return NamesSnapshot(sketch=self._sketch.encode())
        return NamesSnapshot(counts=dict(self._exact.counts))


def most_frequent(snapshots: Sequence[NamesSnapshot], top: int) -> tuple[dict[str, int], bool]:
    """Return the `top` most frequent names over all snapshots, by count descending, then name; and if estimated.

    Raises UnreadableSketch.
    """
    merged = FrequentNames(most_bytes=MOST_MERGED_BYTES)
    for snapshot in snapshots:
        if snapshot.sketch:
            merged.unite(_read_names(snapshot.sketch))
        else:
            merged.add(with_cut_names(snapshot.counts))
    approximate = merged.taken > 0 or any(snapshot.sketch for snapshot in snapshots)
    return ordered(merged.estimates(), top), approximate


def with_cut_names(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Return the counts under names as they are counted: earlier versions wrote longer ones."""
    if max(map(len, counts), default=0) <= MAX_NAME_BYTES:
        return counts
    cut: Counter[str] = Counter()
    for name, count in counts.items():
        cut[cut_name(name)] += count
    return cut


def _read_names(sketch: bytes) -> FrequentNames:
    return read_frequent_names(sketch) if is_of_datasketches(sketch) else decode_frequent_names(sketch)


def ordered(counts: dict[str, int], top: int | None = None) -> dict[str, int]:
    """Return the counts by count descending, then name; only the `top` first when given."""
    return dict(nsmallest(len(counts) if top is None else top, counts.items(), key=lambda item: (-item[1], item[0])))
