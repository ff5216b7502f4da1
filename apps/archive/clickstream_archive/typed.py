"""The records of a chunk that fit a typed table, and why the others don't."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clickstream_core.timestamps import LAST_MS, parse_timestamp


class Refusal(NamedTuple):
    """A record that can't be typed: its place in the chunk, and one of the dead letters' reasons."""

    place: int
    reason: str


@dataclass
class TypedRows:
    """Columns of what was typed; `places` are the places of these rows in the chunk."""

    places: Sequence[int]
    refusals: Sequence[Refusal]
    columns: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def kept(cls, rows: int, refusals: Sequence[Refusal]) -> "TypedRows":
        """Return what remains of so many rows; the columns are to be added."""
        if not refusals:
            return cls(range(rows), ())
        refused = {each.place for each in refusals}
        return cls([place for place in range(rows) if place not in refused], refusals)

    def untyped(self) -> Counter[str]:
        """How many records can't be typed, by reason."""
        return Counter(each.reason for each in self.refusals)


def microseconds(text: str) -> int:
    """Return the microseconds since the epoch of an RFC 3339 date-time.

    Raises ValueError for what is none, and for the leap second that ends the year 9999: a table can't hold it.
    """
    milliseconds = parse_timestamp(text)
    if milliseconds >= LAST_MS:
        raise ValueError("is after the year 9999 in UTC")
    return milliseconds * 1000
