"""Evidence from the raw table: its current snapshot, and the files that it names, whether or not they are there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow
from pyarrow import RecordBatch
from pyarrow.fs import FileSelector
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from clickstream_archive.catalogs import catalog_errors, load_table
from clickstream_archive.completeness import partition_offsets
from clickstream_archive.evidence import Evidence, Headers
from clickstream_archive.lost import Commits
from clickstream_archive.offsets import PartitionOffsets
from clickstream_archive.quoting import quoted
from clickstream_archive.raw import RawFile
from clickstream_archive.raw_table import commit_numbers, raw_files
from clickstream_archive.reading import read_rows
from clickstream_archive.settings import ArchiveSettings
from clickstream_archive.storage import ArchiveFileIO
from clickstream_archive.tables import RAW

_DEAD_LETTER_HEADERS = ("app", "group", "reason", "source_topic", "source_partition", "source_offset")
_RESULT_HEADERS = ("group", "receipt")

Advance = Callable[[int], None]


@dataclass(frozen=True)
class RawSnapshot:
    """The raw table's files at one moment; `lost` are those that the snapshot names and the storage does not have.

    `brought_by` has the number of the commit that brought a file, by path, if there are lost ones.
    """

    there: Sequence[RawFile]
    lost: Sequence[RawFile]
    committed_at: int | None
    brought_by: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.there)


def raw_snapshot(catalog: Catalog, settings: ArchiveSettings, since: str | None) -> RawSnapshot:
    """Return the files; with `since` (2026-11-27T09) those of this hour and later ones only.

    Raises MissingTable before the sink's first commit.
    """
    table = load_table(catalog, settings.catalog, RAW)
    with catalog_errors(settings.catalog):
        files = [each for each in raw_files(table) if since is None or str(each.hour) >= since]
        there = _existing(table, files)
        lost = [each for each in files if each.path not in there]
        brought_by = commit_numbers(table) if lost else {}
    snapshot = table.current_snapshot()
    return RawSnapshot(
        [each for each in files if each.path in there],
        lost,
        None if snapshot is None else snapshot.timestamp_ms,
        brought_by,
    )


def gather(
    evidence: Evidence, snapshot: RawSnapshot, settings: ArchiveSettings, advance: Advance, *, from_first: bool
) -> list[PartitionOffsets]:
    """Fill the evidence, and return the offsets of each topic partition, with `from_first` those since offset 0."""
    connection = evidence.connection
    topics: dict[str, list[RawFile]] = {}
    for each in snapshot.there:
        topics.setdefault(each.topic, []).append(each)
    for batch in read_rows(connection, topics.get(settings.events_topic, ())):
        evidence.add_events(*_places(batch), batch.column("value").to_pylist())
        advance(batch.num_rows)
    for batch in read_rows(connection, topics.get(settings.dead_letter_topic, ()), _DEAD_LETTER_HEADERS):
        evidence.add_dead_letters(*_places(batch), _headers(batch, _DEAD_LETTER_HEADERS))
        advance(batch.num_rows)
    for batch in read_rows(connection, topics.get(settings.metrics_topic, ()), _RESULT_HEADERS):
        values = batch.column("value").to_pylist()
        evidence.add_results(*_places(batch), values, _headers(batch, _RESULT_HEADERS))
        advance(batch.num_rows)
    if not snapshot.there:
        return []
    paths = ", ".join(quoted(each.path) for each in snapshot.there)
    columns = 'topic, "partition", "offset", epoch_ms(timestamp) AS arrived'
    source = f"SELECT {columns} FROM read_parquet([{paths}], hive_partitioning = false)"
    return partition_offsets(connection, source, from_first=from_first)


def commits_of_partitions(evidence: Evidence, snapshot: RawSnapshot) -> Commits:
    """Return the first and the last commit of each partition whose files are there."""
    if not snapshot.there:
        return {}
    paths = ", ".join(quoted(each.path) for each in snapshot.there)
    rows = evidence.connection.execute(
        f'SELECT DISTINCT filename, topic, "partition" FROM read_parquet([{paths}], hive_partitioning = false,'
        " filename = true)"
    ).fetchall()
    numbers = {_within_table(path): number for path, number in snapshot.brought_by.items()}
    found: dict[tuple[str, int], tuple[int, int]] = {}
    for path, topic, partition in rows:
        number = numbers[_within_table(path)]
        oldest, newest = found.get((topic, partition), (number, number))
        found[topic, partition] = min(oldest, number), max(newest, number)
    return found


def _within_table(path: str) -> str:
    """The end of a file's path, which is the same however its storage is written."""
    return path.rpartition("/data/")[2]


def _places(batch: RecordBatch) -> tuple[list[int], list[int], list[int]]:
    at = batch.column("timestamp").cast(pyarrow.timestamp("ms", "UTC"), safe=False).cast(pyarrow.int64())
    return batch.column("partition").to_pylist(), batch.column("offset").to_pylist(), at.fill_null(-1).to_pylist()


def _headers(batch: RecordBatch, names: Iterable[str]) -> Headers:
    return {name: batch.column(name).to_pylist() for name in names}


def _existing(table: Table, files: Sequence[RawFile]) -> set[str]:
    """The files' paths that the storage has. Folders are listed, which is cheaper than asking for each file."""
    io = table.io
    assert isinstance(io, ArchiveFileIO)
    data = f"{table.location()}/data"
    places: dict[str, str] = {}
    for each in files:
        scheme, netloc, path = io.parse_location(each.path)
        places[path] = each.path
    scheme, netloc, folder = io.parse_location(data)
    filesystem: Any = io.fs_by_scheme(scheme, netloc)
    listed = {
        info.path for info in filesystem.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
    }
    there = {original for path, original in places.items() if path in listed}
    elsewhere = [path for path, original in places.items() if not original.startswith(data)]
    return there | {places[path] for path in elsewhere if io.new_input(places[path]).exists()}
