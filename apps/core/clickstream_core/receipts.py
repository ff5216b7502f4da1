"""The header `receipt` of a result: from which records of which partitions its numbers were made.

Compact JSON, an object by partition of the events topic:
`{"0":{"first":12,"last":99,"counted":85,"refused":{"late":1,"not_json":2}}}`. With it a wrong number can be traced to
records, and checked without counting again (`receipt_checks`).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec

from clickstream_core.errors import MalformedReceipt

RECEIPT_HEADER = "receipt"

MOST_RECEIPT_BYTES = 200_000
"""What is left of a batch of 980,000 bytes beside the largest result."""

_PARTITION = re.compile("0|[1-9][0-9]{0,5}")

Offset = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class PartitionReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one partition has contributed to a window.

    `first` and `last` are the offsets of the first and the last record that was counted in it, `counted` is how many
    were. `refused` are the records between the two that became dead letters, by reason; None when that is not known.
    """

    first: Offset
    last: Offset
    counted: Positive
    refused: dict[str, Positive] | None


Receipt = Mapping[int, PartitionReceipt]
"""By partition; those that have counted nothing in the window are not in it."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, PartitionReceipt]).decode


def encode_receipt(receipt: Receipt) -> bytes | None:
    """Return the header's value, of MOST_RECEIPT_BYTES at most.

    If it is larger, all `refused` are written as unknown; None if that is still too large.
    """
    value = _encode(_by_text(receipt))
    if len(value) > MOST_RECEIPT_BYTES:
        without = {number: msgspec.structs.replace(each, refused=None) for number, each in receipt.items()}
        value = _encode(_by_text(without))
    return value if len(value) <= MOST_RECEIPT_BYTES else None


def _by_text(receipt: Receipt) -> dict[str, PartitionReceipt]:
    return {str(number): receipt[number] for number in sorted(receipt)}


def decode_receipt(value: bytes) -> dict[int, PartitionReceipt]:
    """Return the receipt in a header's value. Raises MalformedReceipt with the reason."""
    try:
        decoded = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedReceipt(f"not a receipt: {error}") from error
    if not decoded:
        raise MalformedReceipt("a receipt without a partition")
    for text in decoded:
        if not _PARTITION.fullmatch(text):
            raise MalformedReceipt(f"there is no partition {text!r}")
    return {int(text): decoded[text] for text in decoded}


def receipt_of(headers: Iterable[tuple[str, bytes | None]]) -> bytes | None:
    """Return the receipt in a record's headers, not decoded; None if there is none."""
    values = [value for name, value in headers if name == RECEIPT_HEADER]
    return values[-1] if values else None
