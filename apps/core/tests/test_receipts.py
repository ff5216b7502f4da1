import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.errors import MalformedReceipt
from clickstream_core.receipts import (
    MOST_RECEIPT_BYTES,
    PartitionReceipt,
    decode_receipt,
    encode_receipt,
    receipt_of,
)

numbers = st.integers(1, 2**63 - 1)
entries = st.builds(PartitionReceipt, numbers, numbers, numbers, st.none() | st.dictionaries(st.text(), numbers))


@given(st.dictionaries(st.integers(0, 999_999), entries, min_size=1, max_size=20))
def test_a_receipt_is_read_as_it_was_written(receipt: dict[int, PartitionReceipt]) -> None:
    value = encode_receipt(receipt)
    assert value is not None
    assert decode_receipt(value) == receipt


def test_a_receipt_is_compact_and_in_the_order_of_the_partitions() -> None:
    receipt = {10: PartitionReceipt(7, 7, 1, None), 2: PartitionReceipt(12, 99, 85, {"late": 1, "not_json": 2})}
    assert encode_receipt(receipt) == (
        b'{"2":{"first":12,"last":99,"counted":85,"refused":{"late":1,"not_json":2}},'
        b'"10":{"first":7,"last":7,"counted":1,"refused":null}}'
    )


def of_partitions(count: int, refused: dict[str, int] | None) -> dict[int, PartitionReceipt]:
    return {each: PartitionReceipt(10**10, 10**10 + 10**6, 10**5, refused) for each in range(count)}


@pytest.mark.parametrize(("partitions", "most_bytes"), [(6, 600), (500, 50_000)])
def test_a_receipt_is_small(partitions: int, most_bytes: int) -> None:
    assert len(encode_receipt(of_partitions(partitions, {"late": 10_000})) or b"") < most_bytes


def test_a_receipt_that_is_too_large_has_no_refusals_and_then_is_none() -> None:
    known = encode_receipt(of_partitions(1_500, {f"reason-{each}": 10**9 for each in range(9)}))
    assert known is not None
    assert len(known) < MOST_RECEIPT_BYTES
    assert decode_receipt(known) == of_partitions(1_500, None)
    assert encode_receipt(of_partitions(5_000, {})) is None


RIGHT = {"first": 1, "last": 2, "counted": 2, "refused": {"late": 1}}
WRONG = ({"last": -1}, {"counted": 0}, {"refused": {"late": "1"}}, {"more": 1})
NO_RECEIPTS = [b"", b"\xff", b"null", b"[]", b"{}", b'{"0":null}', msgspec.json.encode({"x": RIGHT})]
NO_RECEIPTS += [msgspec.json.encode({"0": {**RIGHT, **wrong}}) for wrong in WRONG]


@pytest.mark.parametrize("value", NO_RECEIPTS)
def test_what_is_no_receipt_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedReceipt):
        decode_receipt(value)


def test_the_header_of_a_record_is_found() -> None:
    assert receipt_of([("group", b"a"), ("receipt", b"{}")]) == b"{}"
    assert receipt_of([("group", b"a")]) is None
