"""How often each name occurred, off by a bounded amount in bounded memory however many names there are.

The frequent items of Misra and Gries (1982), cut in batches as Anderson et al. do ("A High-Performance Algorithm for
Identifying Frequent Items in Data Streams", 2017): where there are more than 2^17 names, the median of their counts is
taken from each, and those with nothing left are forgotten. A cut takes it from at least half of more than 2^17 counts,
so what all cuts together took from a count is at most 2 / 2^17 = 0.0015 % of all that was counted, over any merges.
A name's estimate is its count with that amount: never less than the truth, and never by more than that amount too much.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from xxhash import xxh3_64_hexdigest

from clickstream_streams.errors import UnreadableSketch

MOST_NAMES = 2**17

LONGEST_NAME = 256
"""Bytes in UTF-8 of a name in a sketch."""

_COUNTS = b"c"


class _Encoded(msgspec.Struct, frozen=True, array_like=True):
    taken: int
    counts: dict[str, int]


class FrequentNames:
    """A sketch of counted names. It is cut before more is counted, so it has at least the names that came last."""

    def __init__(self, counts: Mapping[str, int] | None = None, taken: int = 0) -> None:
        self._counts: Counter[str] = Counter(counts)
        self._taken = taken

    def add(self, names: Iterable[str]) -> None:
        """Count each name once, and again where it is repeated."""
        self._cut()
        self._counts.update([name if len(name) <= LONGEST_NAME // 4 else _short(name) for name in names])

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Count each name as often as it says."""
        self._cut()
        for name, count in counts.items():
            self._counts[_short(name)] += count

    def unite(self, other: "FrequentNames") -> None:
        """Count what the other sketch has counted."""
        self._cut()
        self._counts.update(other._counts)
        self._taken += other._taken

    def _cut(self) -> None:
        if len(self._counts) <= MOST_NAMES:
            return
        median = sorted(self._counts.values())[len(self._counts) // 2]
        self._counts = Counter({name: count - median for name, count in self._counts.items() if count > median})
        self._taken += median

    def estimates(self) -> dict[str, int]:
        """Return about how often each of the names occurred that were not forgotten."""
        return {name: count + self._taken for name, count in self._counts.items()}

    def encode(self) -> bytes:
        """Return the sketch as bytes: counts and what was taken from each, in MessagePack."""
        return _COUNTS + msgspec.msgpack.encode(_Encoded(self._taken, self._counts))


def decode_frequent_names(sketch: bytes) -> FrequentNames:
    """Return the sketch of `encode`; raises UnreadableSketch for anything else."""
    if sketch[:1] != _COUNTS:
        raise UnreadableSketch(sketch)
    try:
        encoded = msgspec.msgpack.decode(sketch[1:], type=_Encoded)
    except msgspec.DecodeError as error:
        raise UnreadableSketch(sketch) from error
    return FrequentNames(encoded.counts, encoded.taken)


def _short(name: str) -> str:
    """Return the name or, when it is longer than LONGEST_NAME, its beginning and its hash."""
    encoded = name.encode()
    if len(encoded) <= LONGEST_NAME:
        return name
    end = f"...{xxh3_64_hexdigest(encoded)}"
    return encoded[: LONGEST_NAME - len(end)].decode(errors="ignore") + end
