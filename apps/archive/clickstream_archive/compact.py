"""`clickstream-archive compact`: makes typed tables of the raw records of closed hours."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickstream_archive.catalogs import load_table, open_catalog
from clickstream_archive.command import begin
from clickstream_archive.committing import find_table
from clickstream_archive.compaction import Outcome, Plan, compact, kinds, plan
from clickstream_archive.engine import engine
from clickstream_archive.ledger import read_ledger
from clickstream_archive.progress import progress
from clickstream_archive.raw import by_hour
from clickstream_archive.raw_table import raw_files
from clickstream_archive.runs import Run, record_run
from clickstream_archive.settings import ArchiveSettings, OutputSettings
from clickstream_archive.tables import RAW
from clickstream_core.settings import duration, setting, switch


@dataclass(frozen=True)
class CompactSettings:
    """The archive, and which hours are done."""

    archive: ArchiveSettings
    output: OutputSettings
    closed_after: int = setting(
        "CLOSED_AFTER",
        parse=duration(minimum="0s", maximum="7d"),
        default="10m",
        help="an hour is closed so long after its end; what arrives later is added by the next run",
    )
    open_hours: bool = switch("OPEN_HOURS", help="do hours too that are not closed")


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit status: 1 when an hour could not be read."""
    settings = begin(
        CompactSettings,
        "compact",
        "Makes typed tables (events, web_logs, metrics, scenario_results) of closed hours' raw records."
        " Can be ended and run again at any moment.",
        argv,
    )
    began = time.monotonic()
    now = datetime.now(UTC)
    closed_before = None if settings.open_hours else now - timedelta(milliseconds=settings.closed_after)
    outcomes = _compact(settings.archive, closed_before)
    result = _result(outcomes, time.monotonic() - began)
    print(json.dumps(result) if settings.output.as_json else _in_words(outcomes, result["seconds"]))
    status = 1 if any(outcome.failed for _, outcome in outcomes) else 0
    if settings.output.record:
        record_run(settings.archive.catalog, Run("compact", now, datetime.now(UTC), status, result))
    return status


def _compact(archive: ArchiveSettings, closed_before: datetime | None) -> list[tuple[Plan, Outcome]]:
    catalog = open_catalog(archive.catalog)
    typed = kinds(archive.events_topic, archive.metrics_topic)
    tables = [find_table(catalog, archive.catalog, kind.spec.name) for kind in typed]
    hours = by_hour(raw_files(load_table(catalog, archive.catalog, RAW)))
    ledger = read_ledger(catalog, archive.catalog)
    plans = [plan(kind, hours, ledger, closed_before, table) for kind, table in zip(typed, tables, strict=True)]
    with engine(archive.catalog) as connection, progress("Typing", sum(each.rows for each in plans), "rows") as advance:
        return [
            (each, compact(each, connection, catalog, archive.catalog, lambda: datetime.now(UTC), advance))
            for each in plans
        ]


def _result(outcomes: Sequence[tuple[Plan, Outcome]], seconds: float) -> dict[str, Any]:
    tables = {
        work.kind.spec.name: {
            "hours": outcome.hours,
            "open_hours": work.open,
            "overtaken_hours": outcome.overtaken,
            "raw_rows": outcome.raw_rows,
            "typed_rows": outcome.typed_rows,
            "untyped": dict(sorted(outcome.untyped.items())),
            "files": outcome.files,
            "bytes": outcome.bytes,
            "failed": [{"hour": str(hour), "error": error} for hour, error in outcome.failed],
        }
        for work, outcome in outcomes
    }
    return {"command": "compact", "seconds": round(seconds, 2), "tables": tables}


def _in_words(outcomes: Sequence[tuple[Plan, Outcome]], seconds: float) -> str:
    lines = []
    for work, outcome in outcomes:
        name = work.kind.spec.name
        if outcome.hours:
            untyped = ", ".join(f"{kind} {count:,}" for kind, count in sorted(outcome.untyped.items()))
            left = f"; {outcome.untyped.total():,} stay in raw only ({untyped})" if untyped else ""
            hours = f"{outcome.hours} hour{'s' if outcome.hours > 1 else ''}"
            size = f"{outcome.bytes / 1e6:.1f} MB in {outcome.files} file{'s' if outcome.files > 1 else ''}"
            lines.append(f"{name:<17} {hours}: {outcome.typed_rows:,} of {outcome.raw_rows:,} records, {size}{left}")
        lines += [f"{name:<17} {hour} was left out: {error}" for hour, error in outcome.failed]
        if outcome.overtaken:
            hours = f"{outcome.overtaken} hour{'s were' if outcome.overtaken > 1 else ' was'}"
            lines.append(f"{name:<17} {hours} done by another run at the same time, and left as it made them")
        if work.open:
            lines.append(f"{name:<17} {work.open} hour{'s are' if work.open > 1 else ' is'} not closed yet")
    if not any(outcome.hours or outcome.failed or outcome.overtaken for _, outcome in outcomes):
        lines.append("Nothing to do: every closed hour is typed.")
    return "\n".join([*lines, f"{seconds:.1f} s"])
