"""Whether receipts fit the partitions that they name, without counting any event again.

The records of a partition are counted in one window each, or refused. So the receipts of its windows, its dead letters
and the number of its records must add up: a record that was lost, doubled, or counted in two windows shows. What this
can't see is an event in the wrong window of two that overlap; that takes a count of the events themselves.

A stretch is what overlapping receipts cover together. Windows overlap where events are out of order, so a steady
stream is one stretch from its beginning to its end.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clickstream_core.receipts import PartitionReceipt, Receipt

RecordsBetween = Callable[[int, int], int | None]
"""How many records a partition has from one offset to another, both included; None if some are gone from the log."""


@dataclass(frozen=True)
class Share:
    """A partition's entry in the receipt of a window's last result; `window` is for the message."""

    window: str
    receipt: PartitionReceipt


@dataclass(frozen=True)
class _Stretch:
    first: int
    last: int
    counted: int


def result_problems(total_events: int, receipt: Receipt) -> list[str]:
    """Return what in a result's receipt contradicts itself or the result."""
    problems = []
    counted = sum(each.counted for each in receipt.values())
    if counted != total_events:
        problems.append(f"its receipt says that {counted} events were counted, the result {total_events}")
    for partition, each in sorted(receipt.items()):
        room = each.last - each.first + 1
        taken = each.counted + sum((each.refused or {}).values())
        if taken > room or (each.counted == 1) != (each.first == each.last):
            problems.append(
                f"its receipt says that {taken} records of partition {partition} were counted or refused at the"
                f" {max(room, 0)} offsets from {each.first} to {each.last}"
            )
    return problems


def partition_problems(
    shares: Sequence[Share], dead_letters: Mapping[int, str], records: RecordsBetween, *, complete: bool
) -> list[str]:
    """Return where the receipts of a partition's windows contradict its dead letters or its log.

    `shares` are those of one group's last results, `dead_letters` the reasons of the group's dead letters by offset.
    `complete` is whether every window of the partition has a result: then no record may be left over.
    """
    offsets = sorted(dead_letters)
    problems = [problem for share in shares for problem in _refusals(share, offsets, dead_letters)]
    for stretch in _stretches(shares):
        refused = bisect_right(offsets, stretch.last) - bisect_left(offsets, stretch.first)
        found = records(stretch.first, stretch.last)
        taken = stretch.counted + refused
        if found is not None and (taken > found or (complete and taken < found)):
            problems.append(
                f"offsets {stretch.first} to {stretch.last}: {stretch.counted} counted and {refused} refused are"
                f" {taken}, but there are {found} records"
            )
    return problems


def _refusals(share: Share, offsets: Sequence[int], dead_letters: Mapping[int, str]) -> Iterator[str]:
    receipt = share.receipt
    for end in sorted({receipt.first, receipt.last} & dead_letters.keys()):
        yield f"window {share.window}: offset {end} was counted, but is a dead letter, {dead_letters[end]}"
    between = offsets[bisect_right(offsets, receipt.first) : bisect_left(offsets, receipt.last)]
    found = dict(Counter(dead_letters[offset] for offset in between))
    if receipt.refused is not None and receipt.refused != found:
        yield (
            f"window {share.window}: refused between offsets {receipt.first} and {receipt.last} were"
            f" {_listed(receipt.refused)}, the dead letters are {_listed(found)}"
        )


def _stretches(shares: Sequence[Share]) -> Iterator[_Stretch]:
    stretch: _Stretch | None = None
    for receipt in sorted((share.receipt for share in shares), key=lambda each: each.first):
        if stretch is not None and receipt.first <= stretch.last:
            last = max(stretch.last, receipt.last)
            stretch = _Stretch(stretch.first, last, stretch.counted + receipt.counted)
            continue
        if stretch is not None:
            yield stretch
        stretch = _Stretch(receipt.first, receipt.last, receipt.counted)
    if stretch is not None:
        yield stretch


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "none"
