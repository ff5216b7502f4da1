"""Record batches of format 2 made by aiokafka's builder, and by hand where the builder would refuse."""

import struct
from collections.abc import Sequence
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
from aiokafka.record._crecords import default_records
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from clickstream_kafka.patches.bounded_unpacking import MOST_UNPACKED_BYTES, bound_unpacking

_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = _HEADER.size
CODEC_LZ4 = 3
APPEND_TIME = 8

Made = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Timestamp, key, value, headers."""


def built(records: Sequence[Made], base_offset: int = 0) -> bytes:
    """Return the batch as aiokafka's producer writes it."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**31 - 1)
    for number, (timestamp, key, value, headers) in enumerate(records):
        assert builder.append(number, timestamp, key, value, headers) is not None
    return struct.pack(">q", base_offset) + bytes(builder.build())[8:]


def with_payload(
    batch: bytes, payload: bytes, *, attributes: int = 0, records: int | None = None, max_timestamp: int | None = None
) -> bytes:
    """Return the batch with other contents after its header, which is made to fit."""
    header: list[Any] = list(_HEADER.unpack_from(batch))
    header[1] = HEADER_BYTES - 12 + len(payload)
    header[5] = attributes
    if max_timestamp is not None:
        header[8] = max_timestamp
    if records is not None:
        header[12] = records
    return _HEADER.pack(*header) + payload


def compressed(batch: bytes, **options: Any) -> bytes:
    """Return the batch compressed with LZ4, in independent blocks of 64 KiB unless the options differ."""
    options = {"block_size": lz4.frame.BLOCKSIZE_MAX64KB, "block_linked": False, "store_size": False, **options}
    return with_payload(batch, lz4.frame.compress(batch[HEADER_BYTES:], **options), attributes=CODEC_LZ4)


def read(batch: bytes, most_bytes: int = MOST_UNPACKED_BYTES) -> list[Any]:
    """Return the records that aiokafka reads with the product's bounded codecs; raises what they raise."""
    bound_unpacking(default_records, max_bytes=most_bytes)
    return list(DefaultRecordBatch(batch))


def varint(number: int) -> bytes:
    """Return the zigzag encoding of any 64-bit number."""
    value, encoded = (number << 1 ^ number >> 63) & (2**64 - 1), bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
