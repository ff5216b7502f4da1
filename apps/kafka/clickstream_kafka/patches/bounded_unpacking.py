"""A record batch may unpack to MOST_UNPACKED_BYTES, whatever its codec: 14 kB can stand for 400 MB.

Both client libraries unpack a batch in one piece before anybody can ask how large it is. Here their codecs stop at the
bound and raise BatchTooLarge. What can't pass it is unpacked as before: LZ4 repeats a byte 255 times at most.
"""

import struct
import zlib
from collections.abc import Callable
from types import ModuleType

import cramjam

MOST_UNPACKED_BYTES = 64 * 1024 * 1024
_LZ4_MOST_TIMES = 255
_USUAL_TIMES = 20
"""That a batch becomes larger, so that few need a buffer of the largest size."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_BLOCK_BYTES = struct.Struct("!i")
_GZIP = 31
"""zlib's wbits for gzip."""

Decode = Callable[[bytes], bytes]


class BatchTooLarge(Exception):
    """A batch that unpacks to more bytes than allowed; the message says how many that is."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"it unpacks to more than {most_bytes >> 20} MiB")


def bound_unpacking(*modules: ModuleType, most_bytes: int = MOST_UNPACKED_BYTES) -> None:
    """Replace the codecs that these modules of a client library call: `gzip_decode`, `lz4_decode` and so on."""
    for module in modules:
        for name, decode in decoders(most_bytes).items():
            if hasattr(module, name):
                setattr(module, name, decode)


def decoders(most_bytes: int) -> dict[str, Decode]:
    """Return functions that unpack to at most so many bytes, by the libraries' names for them.

    They raise BatchTooLarge, and for nonsense whatever the codec raises.
    """
    return {
        "gzip_decode": lambda packed: _gzip(packed, most_bytes),
        "snappy_decode": lambda packed: _snappy(packed, most_bytes),
        "lz4_decode": lambda packed: _lz4(packed, most_bytes),
        "zstd_decode": lambda packed: _into_a_buffer(cramjam.zstd.decompress_into, packed, most_bytes),
    }


def _gzip(packed: bytes, most_bytes: int) -> bytes:
    unpacked, rest = b"", bytes(packed)
    while rest:  # gzip allows several members, one behind the other
        member = zlib.decompressobj(_GZIP)
        unpacked += member.decompress(rest, most_bytes + 1 - len(unpacked))
        if len(unpacked) > most_bytes:
            raise BatchTooLarge(most_bytes)
        if not member.eof:
            raise EOFError("the gzip stream breaks off")
        rest = member.unused_data
    return unpacked


def _lz4(packed: bytes, most_bytes: int) -> bytes:
    if len(packed) * _LZ4_MOST_TIMES <= most_bytes:
        return bytes(cramjam.lz4.decompress(packed))
    return _into_a_buffer(cramjam.lz4.decompress_into, packed, most_bytes)


def _snappy(packed: bytes, most_bytes: int) -> bytes:
    blocks = list(_xerial_blocks(packed)) if bytes(packed[: len(_XERIAL)]) == _XERIAL else [packed]
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > most_bytes:
        raise BatchTooLarge(most_bytes)
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def _xerial_blocks(packed: bytes) -> list[bytes]:
    """Return the blocks of the stream that Java's library writes: a header, and each block behind its length."""
    stream, start, blocks = memoryview(packed), _XERIAL_HEADER_BYTES, []
    while start < len(stream):
        (length,) = _BLOCK_BYTES.unpack_from(stream, start)
        start += _BLOCK_BYTES.size
        if not 0 <= length <= len(stream) - start:
            raise ValueError("a snappy block breaks off")
        blocks.append(bytes(stream[start : start + length]))
        start += length
    return blocks


def _into_a_buffer(unpack: Callable[[bytes, bytearray], int], packed: bytes, most_bytes: int) -> bytes:
    for size in (min(most_bytes, len(packed) * _USUAL_TIMES), most_bytes):
        unpacked = bytearray(size)
        try:
            return bytes(memoryview(unpacked)[: unpack(packed, unpacked)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
    raise BatchTooLarge(most_bytes)
