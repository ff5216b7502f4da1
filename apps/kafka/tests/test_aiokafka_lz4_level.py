"""What aiokafka's producers write when they compress fast."""

import random

import cramjam
import pytest
from aiokafka.codec import lz4_encode
from aiokafka.record._crecords import default_records
from aiokafka.record.memory_records import MemoryRecords

from clickstream_kafka.patches import aiokafka_lz4_level

_LZ4 = 3
_BATCH_HEADER = 61
"""Bytes of a record batch of version 2 before its records, which are compressed as one."""


def batch(values: list[bytes]) -> bytes:
    """A compressed record batch as a producer makes it."""
    builder = default_records.DefaultRecordBatchBuilder(2, _LZ4, False, -1, -1, -1, 1_000_000)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=0, key=None, value=value, headers=[])
    return bytes(builder.build())


def test_batches_are_compressed_by_the_fast_level_and_read_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_records, "lz4_encode", lz4_encode)  # as the library has it
    draw = random.Random(7)
    values = [f'{{"user_id":"user_{draw.randrange(5000)}","page_url":"/p/{n % 20}"}}'.encode() for n in range(2_000)]

    thorough = batch(values)
    aiokafka_lz4_level.apply()
    fast = batch(values)

    records = MemoryRecords(fast).next_batch()
    assert records is not None
    assert [record.value for record in records] == values
    raw = bytes(cramjam.lz4.decompress(fast[_BATCH_HEADER:]))
    compressor = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
    compressor.compress(raw)
    assert fast[_BATCH_HEADER:] == bytes(compressor.finish())
    assert len(thorough) < len(fast) < len(raw) / 2
