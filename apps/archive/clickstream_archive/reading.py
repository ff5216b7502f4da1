"""The rows of raw files, a chunk at a time: values for the decoders, and where each record comes from."""

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow
from duckdb import DuckDBPyConnection

from clickstream_archive.errors import ArchiveError
from clickstream_archive.raw import RawFile

_CHUNK_ROWS = 65_536
_CHUNK_BYTES = 32 << 20

PLACE = ("partition", "offset", "timestamp")
"""Where a record comes from: columns that each raw file has."""


def read_rows(
    connection: DuckDBPyConnection, files: Sequence[RawFile], headers: Sequence[str] = (), *, values: bool = True
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the files' rows: `value` unless it is not wanted, PLACE, and the headers named; one that none has is null.

    A chunk has at most 65,536 rows, fewer where the wanted values are large: about 32 MiB of them.
    Raises ArchiveError, which names the file, when one can't be read.
    """
    if not files:
        return
    paths = [each.path for each in files]
    try:
        there = _columns(connection, paths) if headers else set()
        wanted = [f'"{name}"' for name in (("value", *PLACE) if values else PLACE)]
        wanted += [f'"{name}"' if name in there else f'NULL::VARCHAR AS "{name}"' for name in headers]
        by_name = ", union_by_name = true" if headers else ""
        chunk = _chunk_rows(connection, paths) if values else _CHUNK_ROWS
        query = f"SELECT {', '.join(wanted)} FROM read_parquet($files, hive_partitioning = false{by_name})"
        yield from connection.execute(query, {"files": paths}).to_arrow_reader(chunk)
    except (duckdb.Error, OSError) as error:
        raise ArchiveError(f"a raw file can't be read: {' '.join(str(error).split())[:300]}") from error


def _chunk_rows(connection: DuckDBPyConnection, paths: Sequence[str]) -> int:
    """How many rows of the row group with the largest values are a chunk."""
    found = connection.execute(
        "SELECT max(total_uncompressed_size / num_values) FROM parquet_metadata($files)"
        " WHERE path_in_schema = 'value' AND num_values > 0",
        {"files": list(paths)},
    ).fetchone()
    largest = (found and found[0]) or 1
    return max(1, min(_CHUNK_ROWS, int(_CHUNK_BYTES / largest)))


def _columns(connection: DuckDBPyConnection, paths: Sequence[str]) -> set[str]:
    query = "DESCRIBE SELECT * FROM read_parquet($files, hive_partitioning = false, union_by_name = true)"
    return {row[0] for row in connection.execute(query, {"files": list(paths)}).fetchall()}
