"""The raw table's files, by topic and hour.

The sink partitions by topic and by year, month, day and hour of the record's timestamp, so a file's rows are all of one
topic and hour.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

_HASH_DIGITS = 32


@dataclass(frozen=True, order=True)
class Hour:
    """An hour in UTC as the tables have it, '2026', '11', '27', '09'; all empty for records without a timestamp."""

    year: str
    month: str
    day: str
    hour: str

    @property
    def start(self) -> datetime | None:
        """When it begins; None for records without a timestamp, and for text that is no hour."""
        try:
            return datetime(int(self.year), int(self.month), int(self.day), int(self.hour), tzinfo=UTC)
        except ValueError:
            return None

    @property
    def values(self) -> tuple[str | None, ...]:
        """The partition's values in the tables."""
        return tuple(each or None for each in (self.year, self.month, self.day, self.hour))

    def __str__(self) -> str:
        return f"{self.year}-{self.month}-{self.day}T{self.hour}" if self.year else "without a timestamp"


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value of a column in a file."""

    first: int
    last: int


@dataclass(frozen=True)
class RawFile:
    """A data file that the snapshot names. Bounds are missing when its writer kept no metrics.

    `damage` is why it can't be read, if it is there and can't.
    """

    path: str
    topic: str
    hour: Hour
    rows: int
    size_bytes: int
    partitions: Bounds | None = None
    offsets: Bounds | None = None
    damage: str = ""


@dataclass(frozen=True)
class RawHour:
    """The files of one topic and hour."""

    topic: str
    hour: Hour
    files: Sequence[RawFile] = field(repr=False)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.files)

    @property
    def fingerprint(self) -> str:
        """A hash of the files' names: equal as long as the hour has the same files, which never change."""
        names = "\n".join(sorted(each.path for each in self.files))
        return hashlib.sha256(names.encode()).hexdigest()[:_HASH_DIGITS]


def by_hour(files: Iterable[RawFile]) -> list[RawHour]:
    """Group the files by topic and hour, in the order of both."""
    groups: dict[tuple[str, Hour], list[RawFile]] = {}
    for each in files:
        groups.setdefault((each.topic, each.hour), []).append(each)
    return [RawHour(topic, hour, group) for (topic, hour), group in sorted(groups.items(), key=lambda item: item[0])]
