"""Evidence from the raw table: its current snapshot, and the files that it names, whether or not they are there."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import pyarrow
from pyarrow import RecordBatch
from pyarrow.fs import FileSelector
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from clickstream_archive.catalogs import catalog_errors, load_table
from clickstream_archive.completeness import partition_offsets
from clickstream_archive.errors import ArchiveError
from clickstream_archive.evidence import Evidence, Headers
from clickstream_archive.lost import Commits
from clickstream_archive.offsets import PartitionOffsets
from clickstream_archive.quoting import quoted
from clickstream_archive.raw import RawFile
from clickstream_archive.raw_table import commit_numbers, raw_files
from clickstream_archive.reading import read_rows
from clickstream_archive.settings import ArchiveSettings, CatalogSettings
from clickstream_archive.storage import ArchiveFileIO
from clickstream_archive.tables import RAW

_DEAD_LETTER_HEADERS = ("app", "group", "reason", "source_topic", "source_partition", "source_offset")
_RESULT_HEADERS = ("group", "receipt")
_SINK_PROPERTY, _SINK = "clickstream.sink", "clickstream-archive"
"""Of the table: the connector that fills it, if the place is one of several; and the connector's usual name."""

Advance = Callable[[int], None]


@dataclass(frozen=True)
class RawSnapshot:
    """The raw table's files at one moment; `lost` are those that the snapshot names and that are gone or damaged.

    `brought_by` has the number of the commit that brought a file, by path, if there are lost ones.
    """

    there: Sequence[RawFile]
    lost: Sequence[RawFile]
    id: int | None
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
        sizes = _sizes(table, files)
        there = [each for each in files if sizes.get(each.path) == each.size_bytes]
        lost = [_damaged(each, sizes.get(each.path)) for each in files if sizes.get(each.path) != each.size_bytes]
        brought_by = commit_numbers(table) if lost else {}
    snapshot = table.current_snapshot()
    return RawSnapshot(
        there,
        lost,
        None if snapshot is None else snapshot.snapshot_id,
        None if snapshot is None else snapshot.timestamp_ms,
        brought_by,
    )


def sink_group(catalog: Catalog, settings: CatalogSettings) -> str:
    """Return the consumer group of the sink that fills the table, as Kafka Connect names it."""
    table = load_table(catalog, settings, RAW)
    return f"connect-{table.properties.get(_SINK_PROPERTY, _SINK)}"


def snapshot_id(catalog: Catalog, settings: ArchiveSettings) -> int | None:
    """Return which snapshot is the current one."""
    snapshot = load_table(catalog, settings.catalog, RAW).current_snapshot()
    return None if snapshot is None else snapshot.snapshot_id


def gather(
    evidence: Evidence, snapshot: RawSnapshot, settings: ArchiveSettings, advance: Advance, *, from_first: bool
) -> list[PartitionOffsets]:
    """Fill the evidence, and return the offsets of each topic partition, with `from_first` those since offset 0.

    Raises ArchiveError when a file can't be read.
    """
    connection = evidence.connection
    topics: dict[str, list[RawFile]] = {}
    for each in snapshot.there:
        topics.setdefault(each.topic, []).append(each)
    for batch in read_rows(connection, topics.get(settings.events_topic, ())):
        evidence.add_events(*_places(batch), batch.column("value").to_pylist())
        advance(batch.num_rows)
    letters = topics.get(settings.dead_letter_topic, ())
    for batch in read_rows(connection, letters, _DEAD_LETTER_HEADERS, values=False):
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
    try:
        return partition_offsets(connection, source, from_first=from_first)
    except duckdb.Error as error:
        raise ArchiveError(f"a raw file can't be read: {' '.join(str(error).split())[:300]}") from error


def without_damaged(
    evidence: Evidence, snapshot: RawSnapshot, catalog: Catalog, settings: ArchiveSettings
) -> RawSnapshot:
    """Return the snapshot with the files that can't be read among the lost ones. Reads every file, each alone.

    It is the same snapshot if all can be read, or none: then the storage can't be read.
    """
    checked = [_read_whole(evidence, each) for each in snapshot.there]
    damaged = [each for each in checked if each.damage]
    there = [each for each in checked if not each.damage]
    if not damaged or not there:
        return snapshot
    table = load_table(catalog, settings.catalog, RAW)
    with catalog_errors(settings.catalog):
        return replace(snapshot, there=there, lost=[*snapshot.lost, *damaged], brought_by=commit_numbers(table))


def _read_whole(evidence: Evidence, file: RawFile) -> RawFile:
    try:
        for _ in read_rows(evidence.connection, [file], (*_DEAD_LETTER_HEADERS, *_RESULT_HEADERS)):
            pass
    except ArchiveError as error:
        return replace(file, damage=str(error))
    return file


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


def _damaged(file: RawFile, size: int | None) -> RawFile:
    if size is None:
        return file
    return replace(file, damage=f"it has {size:,} bytes instead of {file.size_bytes:,}")


def _sizes(table: Table, files: Sequence[RawFile]) -> dict[str, int]:
    """The bytes of each file that the storage has, by path. Folders are listed, as asking for each takes longer."""
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
        info.path: info.size
        for info in filesystem.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
    }
    there = {original: listed[path] for path, original in places.items() if path in listed}
    elsewhere = [io.new_input(original) for original in places.values() if not original.startswith(data)]
    return there | {each.location: len(each) for each in elsewhere if each.exists()}
