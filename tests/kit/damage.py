"""Damages record batches like a faulty disk or client: in a broker's file, or in any bytes.

The layout is that of Kafka's record batches: an int64 offset, an int32 length that counts from byte 12, at byte 17 the
CRC-32C of everything from byte 21 on, where the attributes are, whose lowest three bits name the codec.
"""

import struct
from collections.abc import Callable
from pathlib import Path

from crc32c import crc32c

_AFTER_LENGTH, _CRC, _ATTRIBUTES, _RECORDS = 12, 17, 21, 61
_UNKNOWN_CODEC = 7

Damage = Callable[[bytearray], None]


def flip_a_bit(batch: bytearray) -> None:
    """Like a faulty disk: the checksum no longer matches."""
    batch[-1] ^= 1


def break_the_header(batch: bytearray) -> None:
    """The checksum no longer matches, and the last offset in the header is nonsense."""
    batch[23:27] = b"\x7f\xff\xff\xff"


def break_the_length(batch: bytearray) -> None:
    """The checksum does not cover it; the broker itself no longer finds the end of the batch."""
    batch[8:12] = b"\x00\x00\x00\x01"


def name_an_unknown_codec(batch: bytearray) -> None:
    """The checksum matches."""
    batch[_ATTRIBUTES + 1] |= _UNKNOWN_CODEC
    _sign(batch)


def fill_with_nonsense(batch: bytearray) -> None:
    """The checksum matches, but the content can't be decompressed."""
    batch[_RECORDS:] = bytes(range(1, 256)) * (len(batch) // 255) + bytes(len(batch) - _RECORDS)
    del batch[_length(batch) :]
    _sign(batch)


def damaged(batch: bytes, damage: Damage) -> bytes:
    """The batch after the damage."""
    changed = bytearray(batch)
    damage(changed)
    return bytes(changed)


def damage_segment(data: Path, topic: str, partition: int, offset: int, damage: Damage) -> None:
    """Damage the batch of the broker's topic that begins at `offset`; a running broker reads it from now on."""
    with (data / f"{topic}-{partition}" / "00000000000000000000.log").open("r+b") as segment:
        stored = segment.read()
        place = 0
        while place < len(stored):
            end = place + _length(stored[place:])
            if int.from_bytes(stored[place : place + 8], "big") == offset:
                segment.seek(place)
                segment.write(damaged(stored[place:end], damage))
                return
            place = end
    raise AssertionError(f"no batch of {topic}-{partition} begins at offset {offset}")


def _length(batch: bytes | bytearray) -> int:
    return int(struct.unpack_from(">i", batch, 8)[0]) + _AFTER_LENGTH


def _sign(batch: bytearray) -> None:
    struct.pack_into(">I", batch, _CRC, crc32c(bytes(batch[_ATTRIBUTES:])))
