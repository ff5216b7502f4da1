"""A record batch may unpack to MOST_UNPACKED_BYTES, whatever its codec: 14 kB can become 400 MB.

Both client libraries unpack a batch as a whole before its size can be checked. With these codecs they stop at the limit
with BatchTooLarge. What can't exceed it is unpacked as before: LZ4 repeats a byte 255 times at most.

`aiokafka_unreadable` and `kafka_python_unreadable` put the codecs in place.

Written for aiokafka 0.14 and kafka-python 3.0.
Upstream: none found.
Delete when both libraries limit what a batch may unpack to.
"""

import struct
import zlib
from collections.abc import Callable
from types import ModuleType

import cramjam

from clickstream_kafka.errors import BatchTooLarge

MOST_UNPACKED_BYTES = 64 * 1024 * 1024
_LZ4_MAX_RATIO = 255
_USUAL_RATIO = 20  # of unpacked to packed bytes: few batches need a buffer of the largest size
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_BLOCK_BYTES = struct.Struct("!i")
_GZIP_WBITS = 31  # by which zlib reads the gzip format

Decode = Callable[[bytes], bytes]


def bound_unpacking(*modules: ModuleType, max_bytes: int = MOST_UNPACKED_BYTES) -> None:
    """Replace the codecs that these modules of a client library call: `gzip_decode`, `lz4_decode` and so on."""
    for module in modules:
        for name, decode in decoders(max_bytes).items():
            if hasattr(module, name):
                setattr(module, name, decode)


def decoders(max_bytes: int) -> dict[str, Decode]:
    """Return functions that unpack to at most so many bytes, by the libraries' names for them.

    They raise BatchTooLarge and, for corrupt bytes, whatever the codec raises.
    """
    return {
        "gzip_decode": lambda packed: _gzip(packed, max_bytes),
        "snappy_decode": lambda packed: _snappy(packed, max_bytes),
        "lz4_decode": lambda packed: _lz4(packed, max_bytes),
        "zstd_decode": lambda packed: _into_a_buffer(cramjam.zstd.decompress_into, packed, max_bytes),
    }


def _gzip(packed: bytes, max_bytes: int) -> bytes:
    unpacked, rest = b"", bytes(packed)
    while rest:  # gzip allows several members, one after the other
        member = zlib.decompressobj(_GZIP_WBITS)
        unpacked += member.decompress(rest, max_bytes + 1 - len(unpacked))
        if len(unpacked) > max_bytes:
            raise BatchTooLarge(max_bytes)
        if not member.eof:
            raise EOFError("the gzip stream is truncated")
        rest = member.unused_data
    return unpacked


def _lz4(packed: bytes, max_bytes: int) -> bytes:
    if len(packed) * _LZ4_MAX_RATIO <= max_bytes:
        return bytes(cramjam.lz4.decompress(packed))
    return _into_a_buffer(cramjam.lz4.decompress_into, packed, max_bytes)


def _snappy(packed: bytes, max_bytes: int) -> bytes:
    blocks = list(_xerial_blocks(packed)) if bytes(packed[: len(_XERIAL)]) == _XERIAL else [packed]
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > max_bytes:
        raise BatchTooLarge(max_bytes)
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial_blocks(packed: bytes) -> list[bytes]:
    """Return the blocks of a stream as Java's library writes it: a header, then each block after its length."""
    stream, start, blocks = memoryview(packed), _XERIAL_HEADER_BYTES, []
    while start < len(stream):
        (length,) = _BLOCK_BYTES.unpack_from(stream, start)
        start += _BLOCK_BYTES.size
        if not 0 <= length <= len(stream) - start:
            raise ValueError("a snappy block is truncated")
        blocks.append(bytes(stream[start : start + length]))
        start += length
    return blocks


def _into_a_buffer(unpack: Callable[[bytes, bytearray], int], packed: bytes, max_bytes: int) -> bytes:
    for size in (min(max_bytes, len(packed) * _USUAL_RATIO), max_bytes):
        unpacked = bytearray(size)
        try:
            return bytes(memoryview(unpacked)[: unpack(packed, unpacked)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
    raise BatchTooLarge(max_bytes)
