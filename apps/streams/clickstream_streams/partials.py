"""The records on clickstream-window-partials, by which stage 1 tells stage 2 what it counted.

In each of its transactions, a partition of stage 1 writes the partials that changed and last one watermark record;
stage 2 applies the partials when it reads that. A partial too large for a record is split into numbered parts. Every
record carries the rules it was counted under, and stage 2 ignores those of other rules. The number in a record's tag is
its format's: a record of another format is skipped.
"""

from collections.abc import Iterator

import msgspec

from clickstream_streams.counts import PartialCounts
from clickstream_streams.windows import NEVER, CountingRules

LARGEST_PART = 900_000
"""Bytes of a partial in one record: fits a broker's default limit of 1 MiB even where the topic's is not raised."""


class PartialPart(msgspec.Struct, frozen=True, tag="partial-1"):
    """One part of a partition's counts of a window; the payloads of parts 0 to parts - 1 together are the partial."""

    rules: CountingRules
    partition: int
    window: int
    part: int
    parts: int
    payload: bytes


class WatermarkRecord(msgspec.Struct, frozen=True, tag="watermark-1"):
    """The end of a partition's transaction: its watermark, and the time up to which its windows are over.

    `began` is the time from which on the rules count, in all partitions: what an earlier time of the same rules left
    behind for windows before it is of no use.
    """

    rules: CountingRules
    partition: int
    watermark: int
    final_before: int
    began: int = NEVER


InternalRecord = PartialPart | WatermarkRecord

_encoder = msgspec.msgpack.Encoder()
_record_decoder = msgspec.msgpack.Decoder(InternalRecord)
_counts_decoder = msgspec.msgpack.Decoder(PartialCounts)

encode_record = _encoder.encode
"""Return the bytes of an internal record."""


def decode_record(value: bytes) -> InternalRecord:
    """Return the internal record; raises msgspec.DecodeError for anything else."""
    record: InternalRecord = _record_decoder.decode(value)
    return record


def split(rules: CountingRules, partition: int, window: int, counts: PartialCounts) -> Iterator[PartialPart]:
    """Yield the partial as parts of at most LARGEST_PART bytes."""
    payload = _encoder.encode(counts)
    parts = max(1, -(-len(payload) // LARGEST_PART))
    for part in range(parts):
        piece = payload[part * LARGEST_PART : (part + 1) * LARGEST_PART]
        yield PartialPart(rules, partition, window, part, parts, piece)


def unite(payloads: list[bytes]) -> PartialCounts:
    """Return the partial whose parts' payloads are given in order."""
    return _counts_decoder.decode(b"".join(payloads))
