"""The raw table's files, by topic and hour, as its current snapshot's manifests describe them. No file is opened.

The sink partitions by topic and by year, month, day and hour of the record's timestamp, so a file's rows are all of one
topic and hour. A manifest has each file's number of rows and the smallest and largest partition, offset and timestamp
in it: that is enough to name what a lost file held.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.table import ALWAYS_TRUE, Table
from pyiceberg.types import IcebergType, PrimitiveType

from clickstream_archive.errors import ArchiveError
from clickstream_archive.tables import HOUR_COLUMNS

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
    """A data file that the snapshot names. Bounds are missing when its writer kept no metrics."""

    path: str
    topic: str
    hour: Hour
    rows: int
    size_bytes: int
    partitions: Bounds | None = None
    offsets: Bounds | None = None


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


def raw_files(table: Table, row_filter: str | None = None) -> list[RawFile]:
    """Return the files of the current snapshot that may have rows for the filter.

    Raises ArchiveError for a table that is not partitioned as the sink does, or has row-level deletes.
    """
    schema = table.schema()
    names = [schema.find_column_name(each.source_id) for each in table.spec().fields]
    if names != ["topic", *HOUR_COLUMNS]:
        raise ArchiveError(
            f"{'.'.join(table.name())} is partitioned by {', '.join(map(str, names)) or 'nothing'}, expected topic,"
            f" {', '.join(HOUR_COLUMNS)}, as the sink makes it"
        )
    ids = {name: schema.find_field(name) for name in ("partition", "offset")}
    found = []
    for task in table.scan(row_filter=row_filter or ALWAYS_TRUE).plan_files():
        if task.delete_files:
            raise ArchiveError(
                f"{'.'.join(table.name())} has row-level deletes, which need merging first: CALL"
                " system.rewrite_data_files(…) in Spark"
            )
        file = task.file
        topic, *hour = ("" if file.partition[place] is None else str(file.partition[place]) for place in range(5))
        bounds = {
            name: _bounds(file.lower_bounds, file.upper_bounds, column.field_id, column.field_type)
            for name, column in ids.items()
        }
        found.append(
            RawFile(
                file.file_path,
                topic,
                Hour(*hour),
                file.record_count,
                file.file_size_in_bytes,
                bounds["partition"],
                bounds["offset"],
            )
        )
    return found


def by_hour(files: Iterable[RawFile]) -> list[RawHour]:
    """Group the files by topic and hour, in the order of both."""
    groups: dict[tuple[str, Hour], list[RawFile]] = {}
    for each in files:
        groups.setdefault((each.topic, each.hour), []).append(each)
    return [RawHour(topic, hour, group) for (topic, hour), group in sorted(groups.items(), key=lambda item: item[0])]


def _bounds(
    lower: dict[int, bytes] | None, upper: dict[int, bytes] | None, column: int, kind: IcebergType
) -> Bounds | None:
    if not lower or not upper or column not in lower or column not in upper or not isinstance(kind, PrimitiveType):
        return None
    first: Any = from_bytes(kind, lower[column])
    last: Any = from_bytes(kind, upper[column])
    return Bounds(first, last)
