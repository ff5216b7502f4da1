"""Distinct ids and counted names: exact up to a limit, a sketch of bounded size beyond it.

Ids are counted by their 64-bit hashes (XXH3 with a fixed seed), so that users who appear in several partitions are
counted once: sets of hashes unite. Beyond the limit a HyperLogLog takes over (`hyperloglog`): an error of at most 1.2 %
in 95 % of cases.

Names are counted in a map, and beyond the limit by frequent items (`frequent_names`): a count is off by at most
0.0015 % of all counted events.

Memory is bounded by bytes too, for each id and name may have LONGEST_FIELD of them. Where ids are long their hashes are
kept instead, which counts them just as exactly. Where names are long the sketch takes over before the limit; in it one
of more than 256 bytes goes by its beginning and its hash.

Sketches of Apache DataSketches, which earlier versions wrote, are read too (`datasketches_format`). Their ids unite
with one another; to the ids of other partials their estimate is added, as if none were in both.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest

import msgspec
from xxhash import xxh3_64_intdigest

from clickstream_streams.datasketches_format import is_of_datasketches, read_frequent_names, read_hyperloglog
from clickstream_streams.frequent_names import FrequentNames, decode_frequent_names
from clickstream_streams.hyperloglog import HyperLogLog, decode_hyperloglog

MOST_CHARACTERS = 16 * 1024 * 1024
"""Characters of the ids, or of the names, of one window in one partition that are kept as they are."""

_FIRST_LOOK, _LARGEST_STEP = 1024, 8192


def id_hashes(ids: Iterable[str]) -> "array[int]":
    """Return the 64-bit XXH3 hashes of the ids in UTF-8, the same in every process."""
    return array("Q", map(xxh3_64_intdigest, map(str.encode, ids)))


class IdsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A set of ids to send: packed 64-bit hashes in native order (little-endian), or a serialised sketch."""

    hashes: bytes = b""
    sketch: bytes = b""

    def check_sketch(self) -> None:
        """Raise UnreadableSketch where `count_distinct` would."""
        if self.sketch:
            _read_ids(self.sketch)


class _Weight:
    """How much the ids or names take, looked at seldom: they are added up when there are many more than last time."""

    def __init__(self) -> None:
        self._next_look = _FIRST_LOOK

    def too_much(self, keys: Collection[str]) -> bool:
        """Whether the keys are known to have more than MOST_CHARACTERS."""
        if len(keys) < self._next_look:
            return False
        self._next_look = len(keys) + min(len(keys), _LARGEST_STEP)
        return sum(map(len, keys)) > MOST_CHARACTERS


class DistinctIds:
    """The distinct ids of one window in one partition; `limit` is how many are kept exactly."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = _Weight()
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
        if len(self._ids) > self._limit or len(self._hashes) > self._limit:
            self._sketch = HyperLogLog()
            self._sketch.add(self._hashes or id_hashes(self._ids))
            self._ids, self._hashes = set(), set()
        elif self._weight.too_much(self._ids):
            self._hashes = set(id_hashes(self._ids))
            self._ids = set()

    @property
    def approximate(self) -> bool:
        """Whether the limit was passed."""
        return self._sketch is not None

    def snapshot(self) -> IdsSnapshot:
        """Return what stands for these ids in a partial."""
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
    if not sketches:
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
    """Counted names to send: {name: count}, or a serialised sketch."""

    counts: dict[str, int] = {}
    sketch: bytes = b""

    def check_sketch(self) -> None:
        """Raise UnreadableSketch where `most_frequent` would."""
        if self.sketch:
            _read_names(self.sketch)


class CountedNames:
    """How often each name occurred in one window of one partition; `limit` is how many names are kept exactly."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = _Weight()
        self._counts: Counter[str] = Counter()
        self._sketch: FrequentNames | None = None

    def update(self, names: Iterable[str]) -> None:
        """Count the names, repeated or not."""
        if self._sketch is not None:
            self._sketch.add(names)
            return
        self._counts.update(names)
        if len(self._counts) > self._limit or self._weight.too_much(self._counts):
            self._sketch = FrequentNames()
            self._sketch.add_counts(self._counts)
            self._counts = Counter()

    @property
    def approximate(self) -> bool:
        """Whether the limit was passed."""
        return self._sketch is not None

    def snapshot(self) -> NamesSnapshot:
        """Return what stands for these names in a partial."""
        if self._sketch is not None:
            return NamesSnapshot(sketch=self._sketch.encode())
        return NamesSnapshot(counts=dict(self._counts))


def most_frequent(snapshots: Sequence[NamesSnapshot], top: int) -> tuple[dict[str, int], bool]:
    """Return the `top` most frequent names over all snapshots, by count descending, then name; and if estimated.

    Raises UnreadableSketch.
    """
    counts: Counter[str] = Counter()
    sketches = [snapshot.sketch for snapshot in snapshots if snapshot.sketch]
    for snapshot in snapshots:
        counts.update(snapshot.counts)
    if not sketches:
        return ordered(counts, top), False
    merged = FrequentNames()
    for sketch in sketches:
        merged.unite(_read_names(sketch))
    merged.add_counts(counts)
    return ordered(merged.estimates(), top), True


def _read_names(sketch: bytes) -> FrequentNames:
    return read_frequent_names(sketch) if is_of_datasketches(sketch) else decode_frequent_names(sketch)


def ordered(counts: dict[str, int], top: int | None = None) -> dict[str, int]:
    """Return the counts by count descending, then name; only the `top` first when given."""
    return dict(nsmallest(len(counts) if top is None else top, counts.items(), key=lambda item: (-item[1], item[0])))
