"""Which records of a partition a partial was counted from, and the receipt that follows from a window's partials."""

from collections.abc import Iterable
from functools import reduce

import msgspec

from clickstream_core.receipts import PartitionReceipt
from clickstream_streams.refusals import Refusals, refused_between


class Span(msgspec.Struct, frozen=True, array_like=True):
    """The offsets of the first and the last record that was counted, and how many were refused before each."""

    first: int
    last: int
    before_first: Refusals
    before_last: Refusals

    def joined(self, later: "Span") -> "Span":
        """Return the span of both; `later` is that of what was counted afterwards."""
        return Span(self.first, later.last, self.before_first, later.before_last)


def share_receipt(spans: Iterable[Span | None], counted: int) -> PartitionReceipt | None:
    """Return the receipt of a share of `counted` events, from the spans of its partials in order.

    None if an older version wrote one of them, without a span.
    """
    known: list[Span] = []
    for span in spans:
        if span is None:
            return None
        known.append(span)
    whole = reduce(Span.joined, known)
    refused = refused_between(whole.first, whole.before_first, whole.before_last)
    return PartitionReceipt(whole.first, whole.last, counted, refused)
