"""The receipts that results must have, from the offsets that were counted offline and the dead letters."""

import json
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Mapping

from kit.topics import Message

Receipt = dict[str, dict[str, object]]
"""By partition, as in the JSON of the header."""

Refusals = dict[int, list[tuple[int, str]]]
"""Offset and reason of each dead letter, by partition of the events topic, in order."""


def refusals_of(dead_letters: Mapping[tuple[int, int], Message]) -> Refusals:
    """The dead letters by source partition; their keys are (source partition, source offset)."""
    refusals: Refusals = defaultdict(list)
    for (partition, offset), letter in sorted(dead_letters.items()):
        refusals[partition].append((offset, letter.header("reason")))
    return refusals


def expected_receipt(offsets: Mapping[int, list[int]], refusals: Refusals) -> Receipt:
    """The receipt of a window in which these offsets were counted, by partition and in order."""
    return {
        str(partition): {
            "first": counted[0],
            "last": counted[-1],
            "counted": len(counted),
            "refused": _between(refusals.get(partition, []), counted[0], counted[-1]),
        }
        for partition, counted in sorted(offsets.items())
    }


def _between(refusals: list[tuple[int, str]], first: int, last: int) -> dict[str, int]:
    among = refusals[bisect(refusals, (first, "")) : bisect(refusals, (last, ""))]
    return dict(Counter(reason for _, reason in among))


def receipt_of(result: Message) -> object:
    """The receipt of a metrics record as JSON has it; None without the header."""
    values = [value for name, value in result.headers if name == "receipt"]
    assert len(values) <= 1, f"{result.topic}-{result.partition}@{result.offset} has {len(values)} receipts"
    return json.loads(values[0]) if values else None


def receipt_differences(found: object, expected: Receipt) -> list[str]:
    """What is not as expected, in words."""
    if not isinstance(found, dict):
        return [f"the receipt is {found!r}"]
    return [
        f"the receipt of partition {partition} is {found.get(partition)}, counted offline {expected.get(partition)}"
        for partition in sorted({*found, *expected}, key=int)
        if (partition, found.get(partition)) not in expected.items()
    ]
