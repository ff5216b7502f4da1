"""The sketches of Apache DataSketches 5.2, which earlier versions wrote and the log may still contain.

The layouts are those of its C++ code: hll/include/HllUtil.hpp and fi/include/frequent_items_sketch_impl.hpp. Their
first byte is the length of a header, from 1 to 10; our own sketches begin with other bytes. The ids in them were hashed
in another way, so their registers unite with one another and not with ours. Names unite with all.
"""

import struct

from clickstream_streams.errors import UnreadableSketch
from clickstream_streams.frequent_names import FrequentNames, SizedCounts
from clickstream_streams.hyperloglog import INDEX_BITS, REGISTERS, HyperLogLog

_HLL_FAMILY, _NAMES_FAMILY = 7, 10
_LIST, _SET, _HLL_8 = 8, 9, 10
"""The mode of a sketch with few ids, with more, and with registers; all of them of the type HLL_8."""
_HLL_HEADER_BYTES, _NAMES_HEADER_BYTES = 40, 32


def is_of_datasketches(sketch: bytes) -> bool:
    """Whether the sketch, of ids or of names, is one of Apache DataSketches."""
    return len(sketch) >= 8 and sketch[0] <= 10 and sketch[1] == 1 and sketch[2] in (_HLL_FAMILY, _NAMES_FAMILY)


def read_hyperloglog(sketch: bytes) -> HyperLogLog:
    """Return the registers of a sketch of ids; raises UnreadableSketch unless a processor can have written it."""
    read = HyperLogLog()
    try:
        _, _, family, registers_log2, _, _, list_count, mode = struct.unpack_from("8B", sketch)
        if (family, registers_log2) != (_HLL_FAMILY, INDEX_BITS):
            raise UnreadableSketch(sketch)
        if mode == _HLL_8 and len(sketch) == _HLL_HEADER_BYTES + REGISTERS and sketch[40:].isascii():
            read.registers[:] = sketch[_HLL_HEADER_BYTES:]
        elif mode == _LIST:
            _fill(read, struct.unpack_from(f"<{list_count}I", sketch, 8))
        elif mode == _SET:
            (count,) = struct.unpack_from("<I", sketch, 8)
            _fill(read, struct.unpack_from(f"<{count}I", sketch, 12))
        else:
            raise UnreadableSketch(sketch)
    except struct.error as error:
        raise UnreadableSketch(sketch) from error
    return read


def _fill(read: HyperLogLog, coupons: tuple[int, ...]) -> None:
    """Enter the ids of a sketch with few: each is a rank in the highest 6 bits, and a longer index."""
    for coupon in coupons:
        index = coupon & (REGISTERS - 1)
        read.registers[index] = max(read.registers[index], coupon >> 26)


def read_frequent_names(sketch: bytes) -> FrequentNames:
    """Return a sketch of names; raises UnreadableSketch unless a processor can have written it."""
    try:
        if sketch[2] != _NAMES_FAMILY:
            raise UnreadableSketch(sketch)
        (count,) = struct.unpack_from("<I", sketch, 8)
        (taken,) = struct.unpack_from("<Q", sketch, 24)
        weights = struct.unpack_from(f"<{count}Q", sketch, _NAMES_HEADER_BYTES)
        names, position = [], _NAMES_HEADER_BYTES + 8 * count
        for _ in range(count):
            (length,) = struct.unpack_from("<I", sketch, position)
            (name,) = struct.unpack_from(f"{length}s", sketch, position + 4)
            names.append(name.decode())
            position += 4 + length
    except (struct.error, UnicodeDecodeError) as error:
        raise UnreadableSketch(sketch) from error
    return FrequentNames(SizedCounts(dict(zip(names, weights, strict=True))), taken)
