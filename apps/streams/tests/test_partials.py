import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clickstream_core.timestamps import FIRST_MS, LAST_MS
from clickstream_streams.counts import PartialCounts
from clickstream_streams.partials import (
    LARGEST_PART_BYTES,
    MOST_PARTITIONS,
    InternalRecord,
    InvalidRecord,
    NewerFormat,
    Partial,
    PartialPart,
    WatermarkRecord,
    decode_counts,
    decode_record,
    encode_record,
    split,
)
from clickstream_streams.sketches import IdsSnapshot, NamesSnapshot
from clickstream_streams.windows import NEVER, CountingRules

RULES = CountingRules(300_000, "event", 60_000)

numbers = st.integers(-(2**63), 2**63 - 1)
counts = st.dictionaries(st.text(max_size=10), st.integers(0, 2**63 - 1), max_size=5)
names = st.builds(NamesSnapshot, counts, st.binary(max_size=20))
ids = st.builds(IdsSnapshot, st.binary(max_size=20), st.binary(max_size=20))
partials = st.builds(
    PartialCounts,
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**200).map(str),
    counts,
    counts,
    names,
    names,
    ids,
    ids,
)
rules = st.builds(CountingRules, st.just(1000), st.sampled_from(["event", "arrival"]), numbers)
partitions = st.integers(0, MOST_PARTITIONS - 1)
windows = st.integers(FIRST_MS // 1000, LAST_MS // 1000 - 1).map(lambda second: second * 1000)
times = st.integers(NEVER, LAST_MS)
records = st.one_of(
    st.builds(
        PartialPart, rules, partitions, windows, st.integers(0, 9), st.just(10), st.booleans(), st.binary(max_size=50)
    ),
    st.builds(WatermarkRecord, rules, partitions, times, times),
)


def large(size: int) -> PartialCounts:
    nothing = NamesSnapshot(), NamesSnapshot()
    return PartialCounts(1, "1", {}, {}, *nothing, IdsSnapshot(hashes=bytes(size)), IdsSnapshot())


@given(records)
def test_a_record_is_what_was_written(record: InternalRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(partials)
def test_a_small_partial_is_one_part(partial: PartialCounts) -> None:
    (part,) = split(RULES, 3, 300_000, Partial(partial, whole=True))
    assert (part.rules, part.partition, part.window, part.part, part.parts, part.whole) == (
        RULES,
        3,
        300_000,
        0,
        1,
        True,
    )
    assert decode_counts(part.payload) == partial


@pytest.mark.parametrize("size", [LARGEST_PART_BYTES - 100, LARGEST_PART_BYTES, 3 * LARGEST_PART_BYTES - 20, 8_000_000])
def test_a_large_partial_is_split_into_numbered_parts_that_fit_a_record(size: int) -> None:
    partial = large(size)
    parts = list(split(RULES, 0, 0, Partial(partial, whole=False)))
    assert [part.part for part in parts] == list(range(len(parts)))
    assert {part.parts for part in parts} == {len(parts)}
    assert all(len(encode_record(part)) < 1_000_000 for part in parts)
    assert decode_counts(b"".join(part.payload for part in parts)) == partial


@given(partials, st.integers(1, 60))
def test_a_partial_is_the_same_whatever_its_parts_are(partial: PartialCounts, largest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clickstream_streams.partials.LARGEST_PART_BYTES", largest)
        parts = list(split(RULES, 0, 0, Partial(partial, whole=False)))
    assert all(0 < len(part.payload) <= largest for part in parts)
    assert decode_counts(b"".join(part.payload for part in parts)) == partial


@given(st.binary())
@example(b"\x81\xa4type\xa1\xff")
def test_foreign_bytes_are_an_error_of_their_own(value: bytes) -> None:
    with pytest.raises(InvalidRecord):
        decode_record(value)


@given(records, st.data())
def test_a_record_that_was_cut_off_is_an_error(record: InternalRecord, data: st.DataObject) -> None:
    value = encode_record(record)
    with pytest.raises(InvalidRecord):
        decode_record(value[: data.draw(st.integers(0, len(value) - 1))])


def test_a_record_of_a_later_version_with_more_fields_can_be_read() -> None:
    record = WatermarkRecord(RULES, 1, 2, 3)
    longer = msgspec.msgpack.encode({**msgspec.to_builtins(record), "comment": "new"})
    assert decode_record(longer) == record


def encoded(record: InternalRecord, **changes: object) -> bytes:
    return msgspec.msgpack.encode({**msgspec.to_builtins(record, builtin_types=(bytes,)), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"partition": -1},
        {"partition": 10**9},
        {"window": 300_001},
        {"window": LAST_MS},
        {"window": -(10**17)},
        {"part": 1},
        {"part": -1},
        {"parts": 0},
        {"parts": 10**6},
        {"rules": [0, "event", 0]},
        {"rules": [300_000, "processing", 0]},
        {"payload": 5},
    ],
)
def test_a_partial_with_a_number_that_cannot_be_is_none(changes: dict[str, object]) -> None:
    part = PartialPart(RULES, 0, 300_000, 0, 1, True, b"")
    assert decode_record(encoded(part)) == part
    with pytest.raises(InvalidRecord):
        decode_record(encoded(part, **changes))


@pytest.mark.parametrize(
    "changes", [{"partition": 10**9}, {"watermark": 10**17}, {"final_before": -(10**16)}, {"began": LAST_MS + 1}]
)
def test_a_watermark_record_with_a_number_that_cannot_be_is_none(changes: dict[str, object]) -> None:
    record = WatermarkRecord(RULES, 0, 0, 0)
    assert decode_record(encoded(record)) == record
    with pytest.raises(InvalidRecord):
        decode_record(encoded(record, **changes))


def test_partials_of_the_first_format_were_whole() -> None:
    part = PartialPart(RULES, 3, 300_000, 0, 1, True, b"counts")
    assert decode_record(encoded(part, type="partial-1")) == part


@pytest.mark.parametrize("tag", ["partial-3", "watermark-2", "partial-10"])
def test_a_format_of_a_later_version_is_named(tag: str) -> None:
    with pytest.raises(NewerFormat, match=tag):
        decode_record(msgspec.msgpack.encode({"type": tag, "anything": [1, 2]}))


@pytest.mark.parametrize("payload", [b"", b"\xff", msgspec.msgpack.encode([1, "2"])])
def test_a_payload_that_holds_no_counts_is_an_error(payload: bytes) -> None:
    with pytest.raises(InvalidRecord, match="payload"):
        decode_counts(payload)
