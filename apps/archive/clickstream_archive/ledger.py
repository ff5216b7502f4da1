"""What compaction has done: one row for each typed table and hour, in the table `compactions`.

A row is written after the hour's typed rows were committed. If a run ends in between, the hour is done again, which
replaces its rows by the same ones. The rows of a month are one file, which each commit replaces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from clickstream_archive.catalogs import catalog_errors, load_table
from clickstream_archive.committing import attempt, open_table, rows_with
from clickstream_archive.errors import MissingTable
from clickstream_archive.raw import Hour
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.tables import COMPACTIONS, HOUR_COLUMNS


@dataclass(frozen=True)
class Compacted:
    """An hour of a typed table, as it was made: from which raw files (a hash), and how many records of which kind."""

    table_name: str
    topic: str
    hour: Hour
    raw_files: str
    raw_rows: int
    typed_rows: int
    untyped: Mapping[str, int] = field(default_factory=dict)
    compacted_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, Hour]:
        return self.table_name, self.topic, self.hour


def read_ledger(catalog: Catalog, settings: CatalogSettings) -> dict[tuple[str, str, Hour], Compacted]:
    """Return what has been compacted, by table, topic and hour."""
    try:
        table = load_table(catalog, settings, COMPACTIONS.name)
    except MissingTable:
        return {}
    with catalog_errors(settings):
        return {each.key: each for each in map(_decoded, table.scan().to_arrow().to_pylist())}


def record(catalog: Catalog, settings: CatalogSettings, done: Sequence[Compacted]) -> None:
    """Add these hours, each instead of what there was of it."""
    table = open_table(catalog, settings, COMPACTIONS)

    def commit() -> None:
        months = _months(done)
        before = [_decoded(row) for row in table.scan(row_filter=months).to_arrow().to_pylist()]
        rows = _encoded(table, ({each.key: each for each in before} | {each.key: each for each in done}).values())
        if before:
            table.overwrite(rows, overwrite_filter=months)
        else:
            table.append(rows)

    attempt(table, settings, commit)


def _months(done: Iterable[Compacted]) -> str:
    months = sorted({(each.table_name, each.hour.year, each.hour.month) for each in done})
    names = ("table_name", "year", "month")
    return " or ".join(f"({rows_with(dict(zip(names, month, strict=True)))})" for month in months)


def _encoded(table: Table, rows: Iterable[Compacted]) -> pyarrow.Table:
    schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
    listed = [
        {
            "table_name": each.table_name,
            "topic": each.topic,
            **{name: getattr(each.hour, name) for name in HOUR_COLUMNS},
            "raw_files": each.raw_files,
            "raw_rows": each.raw_rows,
            "typed_rows": each.typed_rows,
            "untyped": sorted(each.untyped.items()),
            "compacted_at": each.compacted_at,
        }
        for each in sorted(rows, key=lambda row: row.key)
    ]
    return pyarrow.Table.from_pylist(listed, schema=schema)


def _decoded(row: Mapping[str, Any]) -> Compacted:
    return Compacted(
        row["table_name"],
        row["topic"],
        Hour(*(row[name] for name in HOUR_COLUMNS)),
        row["raw_files"],
        row["raw_rows"],
        row["typed_rows"],
        dict(row["untyped"] or ()),
        row["compacted_at"],
    )
