"""The raw table's files as its current snapshot's manifests describe them. No file is opened.

A manifest has each file's number of rows and the smallest and largest partition, offset and timestamp in it: that is
enough to name what a lost file held.
"""

from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.table import ALWAYS_TRUE, Table
from pyiceberg.types import IcebergType, PrimitiveType

from clickstream_archive.errors import ArchiveError
from clickstream_archive.raw import Bounds, Hour, RawFile
from clickstream_archive.tables import HOUR_COLUMNS


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


def commit_numbers(table: Table) -> dict[str, int]:
    """Return the sequence number of the commit that brought each file of the current snapshot, by path."""
    snapshot = table.current_snapshot()
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    return {
        entry.data_file.file_path: entry.sequence_number or 0
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io)
    }


def _bounds(
    lower: dict[int, bytes] | None, upper: dict[int, bytes] | None, column: int, kind: IcebergType
) -> Bounds | None:
    if not lower or not upper or column not in lower or column not in upper or not isinstance(kind, PrimitiveType):
        return None
    first: Any = from_bytes(kind, lower[column])
    last: Any = from_bytes(kind, upper[column])
    return Bounds(first, last)
