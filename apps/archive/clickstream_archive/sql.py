"""`clickstream-archive sql "SELECT …"`: any question to the archive's tables, read-only."""

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

import duckdb
import pyarrow
from duckdb import DuckDBPyConnection
from rich.console import Console
from rich.table import Table

from clickstream_archive.command import begin
from clickstream_archive.errors import ArchiveError
from clickstream_archive.failures import one_line
from clickstream_archive.lake import lake
from clickstream_archive.settings import ArchiveSettings
from clickstream_core.errors import SettingsError
from clickstream_core.settings import switch

_CHUNK_ROWS = 10_000
_SHOWN_ROWS = 10_000
"""In a table, whose columns are as wide as the widest row: they are all in memory."""

_SWITCHES = ("--json", "--csv")


@dataclass(frozen=True)
class SqlSettings:
    """The archive, and the form of the answer."""

    archive: ArchiveSettings
    as_json: bool = switch("JSON", help="one JSON object for each row", flag="--json")
    as_csv: bool = switch("CSV", help="comma-separated values", flag="--csv")

    def validate(self) -> None:
        """Raise SettingsError when both forms are asked for."""
        if self.as_json and self.as_csv:
            raise SettingsError("--json and --csv are both given: expected one of the two")


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    place = _place_of_query(argv)
    settings = begin(
        SqlSettings,
        'sql "SELECT ..."',
        "Answers a query in DuckDB's SQL about the tables raw, events, web_logs, metrics, scenario_results, compactions"
        " and runs. Nothing can be changed with it.",
        [each for number, each in enumerate(argv) if number != place],
    )
    if place is None:
        raise SettingsError('expected a query first: clickstream-archive sql "SELECT count(*) FROM events"')
    with lake(settings.archive.catalog) as opened:
        try:
            answer = _answer(opened.connection, argv[place]).to_arrow_reader(_CHUNK_ROWS)
            names, rows = answer.schema.names, _rows(answer)
            if settings.as_json:
                for row in rows:
                    print(json.dumps(_as_json(dict(zip(names, row, strict=True))), ensure_ascii=False))
            elif settings.as_csv:
                writer = csv.writer(sys.stdout, lineterminator="\n")
                writer.writerow(names)
                writer.writerows([_shown(value) for value in row] for row in rows)
            else:
                _print_table(names, rows)
        except duckdb.Error as error:
            there = ", ".join(sorted(opened.sources)) or "none yet"
            hint = f" (tables: {there})" if isinstance(error, duckdb.CatalogException) else ""
            raise ArchiveError(f"{one_line(error)}{hint}") from error
    return 0


def _place_of_query(argv: Sequence[str]) -> int | None:
    """The first argument, if it is no option, the one behind --json or --csv, or one of several words."""
    for place, each in enumerate(argv):
        if not each.startswith("-") and (place == 0 or argv[place - 1] in _SWITCHES or " " in each.strip()):
            return place
    return None


def _answer(connection: DuckDBPyConnection, query: str) -> DuckDBPyConnection:
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ArchiveError("expected one SELECT: nothing can be changed with sql")
    return connection.execute(statements[0])


def _rows(answer: pyarrow.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    """Rows as Python values, a map as a dict. DuckDB's own conversion of times would need another package."""
    for batch in answer:
        columns = []
        for column in batch.columns:
            values = column.to_pylist()
            if pyarrow.types.is_map(column.type):
                values = [None if value is None else dict(value) for value in values]
            columns.append(values)
        yield from zip(*columns, strict=True)


def _print_table(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    found = list(islice(rows, _SHOWN_ROWS))
    more = next(rows, None) is not None
    table = Table(show_edge=False, pad_edge=False)
    numeric = [
        bool(found) and all(isinstance(row[place], int | float | None) for row in found) for place in range(len(names))
    ]
    for title, right in zip(names, numeric, strict=True):
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in found:
        table.add_row(*("" if value is None else str(_shown(value)) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 10_000, markup=False, highlight=False)
    console.print(table)
    if more:
        console.print(f"the first {len(found):,} rows; --csv and --json give all")
    else:
        console.print(f"{len(found):,} row{'' if len(found) == 1 else 's'}")


def _as_json(value: Any) -> Any:
    """A value as JSON has it: whole decimals (sums) as integers, null for NaN and infinity."""
    if isinstance(value, dict):
        return {str(_shown(key)): _as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _shown(value)


def _shown(value: Any) -> Any:
    """A value as text or number; bytes are shown as UTF-8 where they are, else as hexadecimal digits."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, dict | list):
        return json.dumps(_as_json(value), ensure_ascii=False)
    if value is None or isinstance(value, int | float | str):
        return value
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else str(value)
