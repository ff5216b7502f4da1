"""The results of commands that ran with --record, in the table `runs`, from which `serve` makes metrics.

A CronJob's pod is gone before anyone asks it. So it leaves its result in the archive, as any other row.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from clickstream_archive.catalogs import catalog_errors, load_table, open_catalog
from clickstream_archive.committing import attempt, open_table, rows_with
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.failures import failures, one_line
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.tables import RUNS

_MOST_RESULT_BYTES = 200_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The last run of a command. `result` is what --json prints, without long lists."""

    command: str
    started_at: datetime
    finished_at: datetime
    status: int
    result: Mapping[str, Any]


def record_run(settings: CatalogSettings, run: Run) -> None:
    """Add the run to the archive. A failure to do so is logged: it changes nothing about the run."""
    try:
        catalog = open_catalog(settings)
        table = open_table(catalog, settings, RUNS)
        year, month = f"{run.finished_at:%Y}", f"{run.finished_at:%m}"
        row = {
            "command": run.command,
            "started_at": run.started_at,
            "finished_at": run.finished_at,
            "status": run.status,
            "result": _text(run.result),
            "year": year,
            "month": month,
        }
        of_this_month = rows_with({"command": run.command, "year": year, "month": month})

        def commit() -> None:
            schema = schema_to_pyarrow(table.schema(), include_field_ids=False)
            before = table.scan(row_filter=of_this_month).to_arrow().to_pylist()
            rows = pyarrow.Table.from_pylist([*before, row], schema=schema)
            if before:
                table.overwrite(rows, overwrite_filter=of_this_month)
            else:
                table.append(rows)

        attempt(table, settings, commit)
    except ArchiveError as error:
        _log.warning("This run can't be recorded: %s", error)
    except failures() as error:
        _log.warning("This run can't be recorded: %s", one_line(error))


def failed_result(command: str, error: str) -> dict[str, Any]:
    """Return the result of a run that ended with an error."""
    return {"command": command, "error": error}


def last_runs(catalog: Catalog, settings: CatalogSettings) -> dict[str, Run]:
    """Return the last run of each command. One that failed has the result of the one before it in its month."""
    try:
        table = load_table(catalog, settings, RUNS.name)
    except MissingTable:
        return {}
    with catalog_errors(settings):
        months = _last_months(table)
        if not months:
            return {}
        rows = table.scan(row_filter=months).to_arrow().sort_by("finished_at").to_pylist()
    found: dict[str, Run] = {}
    for row in rows:
        command, result = row["command"], json.loads(row["result"])
        if "error" in result and command in found:
            result = found[command].result
        found[command] = Run(command, row["started_at"], row["finished_at"], row["status"], result)
    return found


def _last_months(table: Table) -> str:
    """The rows of each command's last month, from the manifests: `serve` asks each minute, and a year is large."""
    last: dict[str, tuple[str, str]] = {}
    for task in table.scan().plan_files():
        command, year, month = (task.file.partition[place] for place in range(len(RUNS.partitioned_by)))
        last[command] = max(last.get(command, ("", "")), (year, month))
    return " or ".join(
        f"({rows_with({'command': command, 'year': year, 'month': month})})"
        for command, (year, month) in sorted(last.items())
    )


def _text(result: Mapping[str, Any]) -> str:
    """The result as JSON; one that is too long is kept without its lists."""
    text = json.dumps(result, ensure_ascii=False)
    if len(text.encode()) <= _MOST_RESULT_BYTES:
        return text
    return json.dumps(_without_lists(result), ensure_ascii=False)


def _without_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_lists(each) for name, each in value.items() if name not in _LONG}
    return [_without_lists(each) for each in value] if isinstance(value, list) else value


_LONG = frozenset(
    ("missing", "doubled", "unknown", "differences", "not_judged_windows", "lost_files", "other_differences", "remarks")
)
