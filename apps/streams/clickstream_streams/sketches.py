"""Distinct ids and counted names: exact up to a limit, a sketch of bounded size beyond it.

Ids are counted by their 64-bit hashes (XXH3 with a fixed seed), so that users who appear in several partitions are
counted once: sets of hashes unite. Beyond the limit a HyperLogLog takes over (Flajolet et al. 2007, as Apache
DataSketches has it): 2^15 registers, standard error 1.04 / sqrt(2^15) = 0.57 %, so at most 1.2 % in 95 % of cases.

Names are counted in a map, and beyond the limit by a frequent-items sketch (Misra and Gries 1982, as Apache
DataSketches has it): with 2^17 slots a count is off by at most 3.5 / 2^17 = 0.003 % of all counted events.

Memory is bounded by bytes too, for each id and name may have LONGEST_FIELD of them. Where ids are long their hashes are
kept instead, which counts them just as exactly. Where names are long the sketch takes over before the limit; in it one
of more than 256 bytes goes by its beginning and its hash.

datasketches is imported when the first limit is passed: with numpy, which it brings, it takes 0.1 s and 30 MiB that
most processors never need.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

if TYPE_CHECKING:
    from datasketches import frequent_strings_sketch, hll_sketch, hll_union

_HLL_REGISTERS_LOG2 = 15
_NAME_SLOTS_LOG2 = 17

MOST_CHARACTERS = 16 * 1024 * 1024
"""Characters of the ids, or of the names, of one window in one partition that are kept as they are."""

LONGEST_NAME = 256
"""Bytes in UTF-8 of a name in a sketch."""

_FIRST_LOOK, _LARGEST_STEP = 1024, 8192


def id_hashes(ids: Iterable[str]) -> "array[int]":
    """Return the 64-bit XXH3 hashes of the ids in UTF-8, the same in every process."""
    return array("Q", map(xxh3_64_intdigest, map(str.encode, ids)))


class IdsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """A set of ids to send: packed 64-bit hashes in native order (little-endian), or a serialised sketch."""

    hashes: bytes = b""
    sketch: bytes = b""


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
        self._sketch: hll_sketch | None = None

    def update(self, ids: Sequence[str]) -> None:
        """Add ids, repeated or not."""
        if self._sketch is not None:
            _feed(self._sketch, id_hashes(set(ids)))
            return
        if self._hashes:
            self._hashes.update(id_hashes(set(ids)))
        else:
            self._ids.update(ids)
        if len(self._ids) > self._limit or len(self._hashes) > self._limit:
            from datasketches import hll_sketch, tgt_hll_type

            self._sketch = hll_sketch(_HLL_REGISTERS_LOG2, tgt_hll_type.HLL_8)
            _feed(self._sketch, self._hashes or id_hashes(self._ids))
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
            return IdsSnapshot(sketch=self._sketch.serialize_compact())
        hashes = array("Q", self._hashes) if self._hashes else id_hashes(self._ids)
        return IdsSnapshot(hashes=hashes.tobytes())


def count_distinct(snapshots: Sequence[IdsSnapshot]) -> tuple[int, bool]:
    """Return how many distinct ids the snapshots hold together, and whether that is an estimate."""
    exact = [_unpacked(snapshot.hashes) for snapshot in snapshots if not snapshot.sketch]
    sketches = [snapshot.sketch for snapshot in snapshots if snapshot.sketch]
    if not sketches:
        return len(set().union(*exact)), False
    from datasketches import hll_sketch, hll_union

    union = hll_union(_HLL_REGISTERS_LOG2)
    for sketch in sketches:
        union.update(hll_sketch.deserialize(sketch))
    for hashes in exact:
        _feed(union, hashes)
    return round(union.get_estimate()), True


def _unpacked(hashes: bytes) -> "array[int]":
    numbers = array("Q")
    numbers.frombytes(hashes)
    return numbers


def _feed(sketch: "hll_sketch | hll_union", hashes: Iterable[int]) -> None:
    update = sketch.update
    for number in hashes:
        update(number)


class NamesSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """Counted names to send: {name: count}, or a serialised sketch."""

    counts: dict[str, int] = {}
    sketch: bytes = b""


class CountedNames:
    """How often each name occurred in one window of one partition; `limit` is how many names are kept exactly."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = _Weight()
        self._counts: Counter[str] = Counter()
        self._sketch: frequent_strings_sketch | None = None

    def update(self, names: Iterable[str]) -> None:
        """Count the names, repeated or not."""
        if self._sketch is not None:
            _count(self._sketch, Counter(names))
            return
        self._counts.update(names)
        if len(self._counts) > self._limit or self._weight.too_much(self._counts):
            from datasketches import frequent_strings_sketch

            self._sketch = frequent_strings_sketch(_NAME_SLOTS_LOG2)
            _count(self._sketch, self._counts)
            self._counts = Counter()

    @property
    def approximate(self) -> bool:
        """Whether the limit was passed."""
        return self._sketch is not None

    def snapshot(self) -> NamesSnapshot:
        """Return what stands for these names in a partial."""
        if self._sketch is not None:
            return NamesSnapshot(sketch=self._sketch.serialize())
        return NamesSnapshot(counts=dict(self._counts))


def most_frequent(snapshots: Sequence[NamesSnapshot], top: int) -> tuple[dict[str, int], bool]:
    """Return the `top` most frequent names over all snapshots, by count descending, then name; and if estimated."""
    counts: Counter[str] = Counter()
    sketches = [snapshot.sketch for snapshot in snapshots if snapshot.sketch]
    for snapshot in snapshots:
        counts.update(snapshot.counts)
    if not sketches:
        return ordered(counts, top), False
    from datasketches import frequent_items_error_type, frequent_strings_sketch

    merged = frequent_strings_sketch.deserialize(sketches[0])
    for sketch in sketches[1:]:
        merged.merge(frequent_strings_sketch.deserialize(sketch))
    _count(merged, counts)
    frequent = merged.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
    return ordered({name: estimate for name, estimate, *_ in frequent}, top), True


def _count(sketch: "frequent_strings_sketch", counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        sketch.update(name if len(name) <= LONGEST_NAME // 4 else _short(name), count)


def _short(name: str) -> str:
    """Return the name or, when it is longer than LONGEST_NAME, its beginning and its hash."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return name
    end = f"...{xxh3_64_hexdigest(encoded)}"
    return encoded[: LONGEST_NAME - len(end)].decode(errors="ignore") + end


def ordered(counts: dict[str, int], top: int | None = None) -> dict[str, int]:
    """Return the counts by count descending, then name; only the `top` first when given."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top])
