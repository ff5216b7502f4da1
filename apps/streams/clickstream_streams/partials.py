"""The records on clickstream-window-partials: what stage 1 has counted, for stage 2.

When a partition's watermark passes the end of a window, its next transaction writes all that was counted in it: the
whole partial. Events that are counted in the window later make additions, which contain only them. So the written bytes
are in proportion to the events, however often a window changes. The log has each transaction once and in order, so a
whole partial and all additions after it add up to what the partition has counted. A further whole partial replaces the
earlier ones: the partition has counted again, because its offsets were reset. A partition with too many open windows
writes their counts before its watermark has passed them; later events of these windows are additions too.

A transaction ends with a watermark record; stage 2 applies the partials when it reads it. A partial too large for a
record is split into numbered parts. Every record contains the rules it was counted under, and stage 2 ignores records
of other rules. The number in a record's tag is that of its format.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from clickstream_core.timestamps import FIRST_MS, LAST_MS
from clickstream_streams.counts import PartialCounts
from clickstream_streams.windows import NEVER, CountingRules

LARGEST_PART_BYTES = 900_000
"""Of a partial in one record: fits a broker's default limit of 1 MiB, should the topic's not be higher."""

MOST_PARTITIONS = 100_000
"""More than any topic has: the processor writes no record of a partition beyond this."""

MOST_PARTS = 1_000

_TAG = re.compile(r"(partial|watermark)-([0-9]{1,9})")
_NEWEST = {"partial": 2, "watermark": 1}
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class InvalidRecord(ValueError):
    """A record that no version of the processor writes; the message says what is wrong with it."""


class NewerFormat(Exception):
    """A record of a format that only a later version of the processor knows; the message names it."""


class PartialPart(msgspec.Struct, frozen=True, tag="partial-2"):
    """One part of a partial of a window; the payloads of parts 0 to parts - 1 together are its counts.

    `whole` is true for all that the partition counted in the window, and false for what is added to that.
    """

    rules: CountingRules
    partition: int
    window: int
    part: int
    parts: int
    whole: bool
    payload: bytes


@dataclass(frozen=True)
class Partial:
    """What a transaction contains of one window: all that was counted in it, or what was added since."""

    counts: PartialCounts
    whole: bool


class _FirstPartialPart(msgspec.Struct, frozen=True, tag="partial-1"):
    """The first format, whose partials were always whole."""

    rules: CountingRules
    partition: int
    window: int
    part: int
    parts: int
    payload: bytes


class WatermarkRecord(msgspec.Struct, frozen=True, tag="watermark-1"):
    """The end of a partition's transaction: its watermark, and the time up to which its windows are over.

    `began` is the time from which the rules count, in all partitions: partials of windows before it, left from an
    earlier period of the same rules, are not used.
    """

    rules: CountingRules
    partition: int
    watermark: int
    final_before: int
    began: int = NEVER


InternalRecord = PartialPart | WatermarkRecord


_encoder = msgspec.msgpack.Encoder()
_record_decoder = msgspec.msgpack.Decoder(PartialPart | _FirstPartialPart | WatermarkRecord)
_counts_decoder = msgspec.msgpack.Decoder(PartialCounts)

encode_record = _encoder.encode
"""Return the bytes of an internal record."""


def decode_record(value: bytes) -> InternalRecord:
    """Return the internal record, without decoding the payload of a partial. Raises InvalidRecord and NewerFormat."""
    try:
        record: PartialPart | _FirstPartialPart | WatermarkRecord = _record_decoder.decode(value)
    except _UNDECODABLE as error:
        _refuse_newer_format(value)
        raise InvalidRecord(str(error)) from error
    if isinstance(record, _FirstPartialPart):
        numbers = record.partition, record.window, record.part, record.parts
        record = PartialPart(record.rules, *numbers, True, record.payload)
    _check_numbers(record)
    return record


def _refuse_newer_format(value: bytes) -> None:
    try:
        head = msgspec.msgpack.decode(value)
    except _UNDECODABLE:
        return
    tag = head.get("type") if isinstance(head, dict) else None
    match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
    if match is not None and int(match[2]) > _NEWEST[match[1]]:
        raise NewerFormat(tag)


def _check_numbers(record: InternalRecord) -> None:
    if not 0 <= record.partition < MOST_PARTITIONS:
        raise InvalidRecord(f"there is no partition {record.partition}")
    if isinstance(record, WatermarkRecord):
        times = {"watermark": record.watermark, "final_before": record.final_before, "began": record.began}
        for name, time in times.items():
            if not NEVER <= time <= LAST_MS:
                raise InvalidRecord(f"{name} is {time}")
        return
    rules = record.rules
    if rules.window_size <= 0 or record.window % rules.window_size or not FIRST_MS <= record.window < LAST_MS:
        raise InvalidRecord(f"no window of {rules.window_size} ms begins at {record.window}")
    if not 0 <= record.part < record.parts <= MOST_PARTS:
        raise InvalidRecord(f"part {record.part} of {record.parts}")


def split(rules: CountingRules, partition: int, window: int, partial: Partial) -> Iterator[PartialPart]:
    """Yield the partial as parts of at most LARGEST_PART_BYTES."""
    payload = _encoder.encode(partial.counts)
    parts = max(1, -(-len(payload) // LARGEST_PART_BYTES))
    for part in range(parts):
        piece = payload[part * LARGEST_PART_BYTES : (part + 1) * LARGEST_PART_BYTES]
        yield PartialPart(rules, partition, window, part, parts, partial.whole, piece)


def decode_counts(payload: bytes) -> PartialCounts:
    """Return the counts in the parts' payloads, joined in order. Raises InvalidRecord."""
    try:
        counts: PartialCounts = _counts_decoder.decode(payload)
    except _UNDECODABLE as error:
        raise InvalidRecord(f"its payload can't be decoded: {error}") from error
    return counts
