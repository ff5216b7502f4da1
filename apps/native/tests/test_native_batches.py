"""Record batches as they should not be: readable to native code exactly when aiokafka can read them."""

from collections.abc import Callable, Sequence
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
import pytest
from mutations import NOW
from record_batches import APPEND_TIME, CODEC_LZ4, HEADER_BYTES, Made, built, compressed, read, varint, with_payload
from reference import clickstream_native, native_batch

RECORDS: list[Made] = [
    (NOW, b"key", b"value", []),
    (NOW + 1, None, b"", [("h", b"1"), ("h", None), ("", b""), ("이름", "값".encode())]),
    (NOW - 10**9, b"", None, []),
    (-1, b"k" * 200, b"v" * 70_000, [("long" * 50, b"x" * 300)]),
]
BATCH = built(RECORDS, base_offset=1000)
PAYLOAD = BATCH[HEADER_BYTES:]


def shown(records: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(each.offset, each.timestamp, each.key, each.value, list(each.headers)) for each in records]


def is_readable(batch: bytes) -> bool:
    """Whether both can read the batch; they agree, in its records too."""
    try:
        expected = shown(read(batch))
    except Exception:
        with pytest.raises(ValueError, match="."):
            native_batch(batch)
        return False
    assert shown(native_batch(batch)) == expected
    return True


def record(
    *, length: int | None = None, headers: bytes = varint(0), rest: bytes = b"", numbers: Sequence[int] = (0, 0)
) -> bytes:
    body = b"\0" + varint(numbers[0]) + varint(numbers[1]) + varint(1) + b"k" + varint(1) + b"v" + headers + rest
    return varint(len(body) if length is None else length) + body


def test_a_batch_is_a_sequence_of_its_records() -> None:
    batch = native_batch(BATCH)
    assert is_readable(BATCH)
    assert isinstance(batch, Sequence)
    assert [each.offset for each in batch] == [1000, 1001, 1002, 1003]
    assert (batch[0].offset, batch[-1].offset, batch[-4].offset) == (1000, 1003, 1000)
    assert [each.offset for each in batch[1:-1]] == [1001, 1002]
    assert [each.offset for each in batch[::-2]] == [1003, 1001]
    for index in (4, -5, 2**40):
        with pytest.raises(IndexError):
            batch[index]
    with pytest.raises(AttributeError):
        batch[0].offset = 1


def test_records_before_the_first_offset_are_left_out() -> None:
    for first, offsets in [(0, [1000, 1001, 1002, 1003]), (1002, [1002, 1003]), (1003, [1003]), (1004, [])]:
        batch = native_batch(BATCH, first)
        assert (len(batch), [each.offset for each in batch]) == (len(offsets), offsets)


def test_a_batch_is_a_part_of_the_fetched_bytes() -> None:
    fetched = b"before" + BATCH + b"after"
    batch = clickstream_native.Batch(fetched, 6, 6 + len(BATCH), 0, 10**6)
    assert shown(batch) == shown(read(BATCH))
    for start, end in [(0, len(fetched) + 1), (7, 6), (len(fetched) + 1, len(fetched) + 2)]:
        with pytest.raises(ValueError, match="not within"):
            clickstream_native.Batch(fetched, start, end, 0, 10**6)
    for size in range(HEADER_BYTES):
        with pytest.raises(ValueError, match=f"a batch of {size} bytes"):
            clickstream_native.Batch(fetched, 6, 6 + size, 0, 10**6)


def test_only_format_2_and_two_codecs_are_read() -> None:
    for at, number in [(16, 1), (16, 3), (16, 255), (22, 1), (22, 2), (22, 4), (22, 7)]:
        changed = bytearray(BATCH)
        changed[at] = number
        with pytest.raises(ValueError, match=f"format {number}|codec {number}"):
            native_batch(bytes(changed))


def test_append_time_replaces_the_records_own() -> None:
    batch = with_payload(BATCH, PAYLOAD, attributes=APPEND_TIME, max_timestamp=NOW + 77)
    assert is_readable(batch)
    assert {each.timestamp for each in native_batch(batch)} == {NOW + 77}


def test_a_batch_without_records_is_empty() -> None:
    for records in (0, -1, -(2**31)):
        assert is_readable(with_payload(BATCH, b"", records=records))
        assert not is_readable(with_payload(BATCH, b"x", records=records))


def test_a_count_that_lies_makes_a_batch_unreadable() -> None:
    for records in (0, 3, 5, -1, 2**31 - 1):
        assert not is_readable(with_payload(BATCH, PAYLOAD, records=records))


def test_a_batch_that_is_cut_off_is_unreadable() -> None:
    small = built(RECORDS[:3])
    for size in range(len(small) - HEADER_BYTES):
        assert not is_readable(with_payload(small, small[HEADER_BYTES : HEADER_BYTES + size]))
    assert not is_readable(with_payload(small, small[HEADER_BYTES:] + b"\0"))


@pytest.mark.parametrize(
    "payload",
    [
        record(length=-1),
        record(length=0),
        record(length=7),
        record(length=9),
        record(length=2**62),
        record(rest=b"\0"),
        record(headers=varint(-1)),
        record(headers=varint(1)),
        record(headers=varint(2**40)),
        record(headers=varint(1) + varint(-1) + varint(-1)),
        record(headers=varint(1) + varint(5) + b"h" + varint(-1)),
        record(headers=varint(1) + varint(1) + b"\xff" + varint(-1)),
        record(headers=varint(1) + varint(1) + b"h" + varint(2**31)),
        b"\x80" * 10 + b"\0" + record()[1:],
        b"\xff" * 9,
        varint(8) + b"\0\0\0" + varint(2**62) + b"kkk",
        varint(8) + b"\0\0\0" + varint(-1) + varint(2**31) + b"vv",
    ],
)
def test_lengths_that_lie_make_a_batch_unreadable(payload: bytes) -> None:
    assert not is_readable(with_payload(BATCH, payload, records=1))
    assert not is_readable(with_payload(BATCH, record() + payload, records=2))


@pytest.mark.parametrize(
    "payload",
    [
        record(),
        record(headers=varint(1) + varint(0) + varint(-9)),
        record(numbers=(2**63 - 1, 2**63 - 1)),
        record(numbers=(-(2**63), -(2**63))),
        b"\x90\x80\x00" + record()[1:],
        varint(6) + b"\0\0\0" + varint(-2) + varint(-(2**5)) + b"\0",
    ],
)
def test_odd_numbers_are_read_as_aiokafka_reads_them(payload: bytes) -> None:
    assert is_readable(with_payload(BATCH, payload, records=1))


@pytest.mark.parametrize("block_linked", [False, True])
@pytest.mark.parametrize("block_checksum", [False, True])
@pytest.mark.parametrize("content_checksum", [False, True])
@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
def test_every_kind_of_lz4_frame_is_read(
    block_linked: bool, block_checksum: bool, content_checksum: bool, block_size: int
) -> None:
    words: list[Made] = [(NOW, b"%d" % number, b"word %d " % (number % 77) * 400, []) for number in range(300)]
    options = {"block_linked": block_linked, "block_checksum": block_checksum, "content_checksum": content_checksum}
    for store_size in (False, True):
        batch = compressed(built(words), block_size=block_size, store_size=store_size, **options)
        assert is_readable(batch)
        for at in (HEADER_BYTES + 8, len(batch) // 2, len(batch) - 6, len(batch) - 1):
            assert not is_readable(with_payload(batch, batch[HEADER_BYTES:at], attributes=CODEC_LZ4))


def test_frames_may_follow_one_another() -> None:
    def packed(payload: bytes) -> bytes:
        return with_payload(BATCH, payload, attributes=CODEC_LZ4)

    one, two = lz4.frame.compress(PAYLOAD[:100]), lz4.frame.compress(PAYLOAD[100:], content_checksum=True)
    skipped = b"\x5a\x2a\x4d\x18\x04\0\0\0abcd"
    assert is_readable(packed(one + two))
    assert is_readable(packed(skipped + one + skipped + two + skipped))
    for more in (b"\0", b"\0\0\0\0", two[:4], skipped[:-1], b"more than four"):
        assert not is_readable(packed(one + two + more))
    for payload in (b"", one, one[:3], PAYLOAD, b"\x02\x21\x4c\x18" + one):
        assert not is_readable(packed(payload))


def test_checksums_and_sizes_of_frames_are_checked() -> None:
    batch = compressed(BATCH, block_checksum=True, content_checksum=True, store_size=True)
    for at in [*range(HEADER_BYTES, HEADER_BYTES + 30), *range(len(batch) - 16, len(batch))]:
        changed = bytearray(batch)
        changed[at] ^= 0x10
        assert not is_readable(bytes(changed)), at


def test_a_match_at_offset_0_is_corrupt() -> None:
    """The format forbids it; liblz4 makes arbitrary bytes of it."""
    frame = lz4.frame.compress(b"")
    block = b"\x10a\0\0\x50bcdef"
    payload = frame[:7] + len(block).to_bytes(4, "little") + block + bytes(4)
    with pytest.raises(ValueError, match="an LZ4 block is corrupt: 0 is not a valid match offset"):
        native_batch(with_payload(BATCH, payload, attributes=CODEC_LZ4))


def bomb(size: int) -> bytes:
    return compressed(built([(NOW, None, bytes(size), [])]))


def test_a_batch_may_unpack_to_the_limit() -> None:
    size = len(built([(NOW, None, bytes(10**6), [])])) - HEADER_BYTES
    assert len(native_batch(bomb(10**6), most_bytes=size)) == 1
    with pytest.raises(clickstream_native.TooLarge, match=f"more than {size - 1} bytes"):
        native_batch(bomb(10**6), most_bytes=size - 1)
    with pytest.raises(clickstream_native.TooLarge):
        native_batch(compressed(BATCH, compression_level=-100), most_bytes=0)
    assert issubclass(clickstream_native.TooLarge, ValueError)


def test_a_bomb_takes_no_more_memory_than_the_limit(peak_memory: Callable[[], int]) -> None:
    packed = bomb(200_000_000)
    before = peak_memory()
    for _ in range(5):
        with pytest.raises(clickstream_native.TooLarge):
            native_batch(packed, most_bytes=2**23)
    assert peak_memory() - before < 4 * 2**23
