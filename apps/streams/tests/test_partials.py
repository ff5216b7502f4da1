import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams.counts import PartialCounts
from clickstream_streams.partials import (
    LARGEST_PART,
    InternalRecord,
    PartialPart,
    WatermarkRecord,
    decode_record,
    encode_record,
    split,
    unite,
)
from clickstream_streams.sketches import IdsSnapshot, NamesSnapshot
from clickstream_streams.windows import CountingRules

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
rules = st.builds(CountingRules, numbers, st.sampled_from(["event", "arrival"]), numbers)
records = st.one_of(
    st.builds(PartialPart, rules, numbers, numbers, numbers, numbers, st.binary(max_size=50)),
    st.builds(WatermarkRecord, rules, numbers, numbers, numbers),
)


def large(size: int) -> PartialCounts:
    nothing = NamesSnapshot(), NamesSnapshot()
    return PartialCounts(1, "1", {}, {}, *nothing, IdsSnapshot(hashes=bytes(size)), IdsSnapshot())


@given(records)
def test_a_record_is_what_was_written(record: InternalRecord) -> None:
    assert decode_record(encode_record(record)) == record


@given(partials)
def test_a_small_partial_is_one_part(partial: PartialCounts) -> None:
    (part,) = split(RULES, 3, 300_000, partial)
    assert (part.rules, part.partition, part.window, part.part, part.parts) == (RULES, 3, 300_000, 0, 1)
    assert unite([part.payload]) == partial


@pytest.mark.parametrize("size", [LARGEST_PART - 100, LARGEST_PART, 3 * LARGEST_PART - 20, 8_000_000])
def test_a_large_partial_is_split_into_numbered_parts_that_fit_a_record(size: int) -> None:
    partial = large(size)
    parts = list(split(RULES, 0, 0, partial))
    assert [part.part for part in parts] == list(range(len(parts)))
    assert {part.parts for part in parts} == {len(parts)}
    assert all(len(encode_record(part)) < 1_000_000 for part in parts)
    assert unite([part.payload for part in parts]) == partial


@given(partials, st.integers(1, 60))
def test_a_partial_is_the_same_whatever_its_parts_are(partial: PartialCounts, largest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clickstream_streams.partials.LARGEST_PART", largest)
        parts = list(split(RULES, 0, 0, partial))
    assert all(0 < len(part.payload) <= largest for part in parts)
    assert unite([part.payload for part in parts]) == partial


@given(st.binary())
def test_foreign_bytes_are_an_error_of_their_own(value: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_record(value)


@given(records, st.data())
def test_a_record_that_was_cut_off_is_an_error(record: InternalRecord, data: st.DataObject) -> None:
    value = encode_record(record)
    with pytest.raises(msgspec.DecodeError):
        decode_record(value[: data.draw(st.integers(0, len(value) - 1))])


def test_a_record_of_a_later_version_with_more_fields_can_be_read() -> None:
    record = WatermarkRecord(RULES, 1, 2, 3)
    longer = msgspec.msgpack.encode({**msgspec.to_builtins(record), "comment": "new"})
    assert decode_record(longer) == record
