"""How many distinct 64-bit hashes were seen, estimated in 32 KiB however many they are.

HyperLogLog (Flajolet et al. 2007): the lowest 15 bits of a hash choose one of 2^15 registers, which keeps the largest
rank, the position of the first 1 in the other 49 bits. The estimate is Ertl's improved raw estimator ("New cardinality
estimation algorithms for HyperLogLog sketches", 2017, arXiv 1702.01284), which has no bias from one id to 2^60 and
needs no tables. Its standard error is 1.04 / sqrt(2^15) = 0.57 %, so at most 1.2 % in 95 % of cases.
"""

from array import array
from collections.abc import Iterable
from math import inf, log

from clickstream_streams.errors import UnreadableSketch

INDEX_BITS = 15
REGISTERS = 1 << INDEX_BITS
LARGEST_RANK = 63
"""In a register that an earlier version wrote; ours hold at most 50."""

_RANK_BITS = 64 - INDEX_BITS
_DENSE, _SPARSE = b"r", b"s"
_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS)


class HyperLogLog:
    """A sketch of distinct hashes; those of the same hash function unite."""

    def __init__(self) -> None:
        self.registers = bytearray(REGISTERS)

    def add(self, hashes: Iterable[int]) -> None:
        """Count 64-bit hashes, repeated or not."""
        registers = self.registers
        for number in hashes:
            rank = _RANK_BITS + 1 - (number >> INDEX_BITS).bit_length()
            index = number & (REGISTERS - 1)
            if rank > registers[index]:
                registers[index] = rank

    def unite(self, other: "HyperLogLog") -> None:
        """Count what the other sketch has counted: of each register the larger rank.

        Ranks have 7 bits, so all are subtracted as one number: a byte keeps its high bit where ours is not less.
        """
        ours, theirs = int.from_bytes(self.registers), int.from_bytes(other.registers)
        not_less = ((ours | _HIGH_BITS) - theirs) & _HIGH_BITS
        keep = not_less - (not_less >> 7)
        self.registers[:] = (theirs ^ ((ours ^ theirs) & keep)).to_bytes(REGISTERS)

    def estimate(self) -> float:
        """Return about how many distinct hashes were counted."""
        empty = REGISTERS * _sigma(self.registers.count(0) / REGISTERS)
        filled = sum([self.registers.count(rank) / (1 << rank) for rank in range(1, LARGEST_RANK + 1)])
        return REGISTERS * REGISTERS / (2 * log(2) * (empty + filled))

    def encode(self) -> bytes:
        """Return the sketch as bytes: all registers, or where most are empty 4 bytes for each of the others."""
        if REGISTERS - self.registers.count(0) >= REGISTERS // 4:
            return _DENSE + self.registers
        filled = array("I", [index << 8 | rank for index, rank in enumerate(self.registers) if rank])
        return _SPARSE + filled.tobytes()


def decode_hyperloglog(sketch: bytes) -> HyperLogLog:
    """Return the sketch of `encode`; raises UnreadableSketch for anything else."""
    kind, payload = sketch[:1], sketch[1:]
    decoded = HyperLogLog()
    if kind == _DENSE and len(payload) == REGISTERS and payload.isascii():
        decoded.registers[:] = payload
    elif kind == _SPARSE and len(payload) % 4 == 0:
        for each in array("I", payload):
            index, rank = each >> 8, each & 0xFF
            if index >= REGISTERS or rank > LARGEST_RANK:
                raise UnreadableSketch(sketch)
            decoded.registers[index] = rank
    else:
        raise UnreadableSketch(sketch)
    return decoded


def _sigma(share: float) -> float:
    """Return x + sum of x^(2^k) 2^(k-1) for k from 1 on: what empty registers, a share x of all, add (Ertl 2017)."""
    if share == 1:
        return inf
    total, before, weight = share, -1.0, 1.0
    while total != before:
        share *= share
        before, total, weight = total, total + share * weight, 2 * weight
    return total
