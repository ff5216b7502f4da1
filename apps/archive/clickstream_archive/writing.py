"""Parquet files for an hour of a typed table, written as rows come, and described for the table's manifest.

Memory is bounded by one row group, whatever the hour's size. A file that is not committed afterwards belongs to no
snapshot, so nobody reads it.
"""

import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import pyarrow
import pyarrow.parquet
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from clickstream_archive.raw import Hour
from clickstream_archive.tables import HOUR_COLUMNS

_ROW_GROUP_ROWS = 131_072
_FILE_ROWS = 4_000_000
_COMPRESSION = "zstd"
_COMPRESSION_LEVEL = 3


class HourFiles:
    """Files of one hour of a table. As a context manager it closes the file that is open."""

    def __init__(self, table: Table, hour: Hour) -> None:
        self._table = table
        self._hour = hour
        self._schema = schema_to_pyarrow(table.schema())
        self._paths: list[str] = []
        self._rows_in_file = 0
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._sink: Any = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def write(self, columns: dict[str, Any], rows: int) -> None:
        """Append rows: lists or arrays of that length by column; a column that is not there is null."""
        if not rows:
            return
        constants = dict(zip(HOUR_COLUMNS, self._hour.values, strict=True))
        arrays = [
            pyarrow.repeat(pyarrow.scalar(constants[field.name], field.type), rows)
            if field.name in constants
            else _array(columns.get(field.name), field.type, rows)
            for field in self._schema
        ]
        if self._writer is None or self._rows_in_file >= _FILE_ROWS:
            self._next_file()
        assert self._writer is not None
        batch = pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._writer.write_batch(batch, row_group_size=_ROW_GROUP_ROWS)
        self._rows_in_file += rows
        self.rows += rows

    def finish(self) -> list[DataFile]:
        """Close the last file and return what a snapshot needs to name the files."""
        self._close()
        return [parquet_file_to_data_file(self._table.io, self._table.metadata, path) for path in self._paths]

    def _next_file(self) -> None:
        self._close()
        folder = "/".join(f"{name}={value or 'null'}" for name, value in zip(HOUR_COLUMNS, self._values(), strict=True))
        path = self._table.location_provider().new_data_location(f"{folder}/{uuid.uuid4()}.parquet")
        self._sink = self._table.io.new_output(path).create(overwrite=True)
        self._writer = pyarrow.parquet.ParquetWriter(
            self._sink,
            self._schema,
            compression=_COMPRESSION,
            compression_level=_COMPRESSION_LEVEL,
            store_schema=False,
        )
        self._paths.append(path)
        self._rows_in_file = 0

    def _values(self) -> Sequence[str | None]:
        return self._hour.values

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._sink is not None:
            self._sink.close()
            self._sink = None


def _array(values: Any, kind: pyarrow.DataType, rows: int) -> pyarrow.Array:
    if values is None:
        return pyarrow.nulls(rows, kind)
    if isinstance(values, pyarrow.Array):
        return values.cast(kind)
    if pyarrow.types.is_timestamp(kind):
        return pyarrow.array(values, pyarrow.int64()).cast(kind)
    return pyarrow.array(values, kind)
