"""Raw records of closed hours become typed rows.

An hour is done when the ledger has it with the raw files that it has now. Everything else that is closed is due: new
hours, hours to which late records came, and hours whose run did not end. Due hours are typed one after the other, and
committed in groups: first the typed rows, as all there is of these hours, then the ledger. So a run can end at any
moment, and the next one begins where nothing is lost or doubled.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow
from duckdb import DuckDBPyConnection
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from clickstream_archive.committing import files_by_hour, open_table, replace_hours
from clickstream_archive.errors import ArchiveError
from clickstream_archive.failures import one_line
from clickstream_archive.ledger import Compacted, record
from clickstream_archive.raw import Hour, RawHour
from clickstream_archive.reading import read_rows
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.tables import EVENTS, METRICS, SCENARIO_RESULTS, WEB_LOGS, TableSpec
from clickstream_archive.typed import TypedRows
from clickstream_archive.typing_events import type_events
from clickstream_archive.typing_records import type_metrics, type_scenario_results, type_web_logs
from clickstream_archive.writing import HourFiles

WEB_LOGS_TOPIC = "web_logs"
SCENARIO_RESULTS_TOPIC = "clickstream-scenario-results"

_GROUP_HOURS = 24
_GROUP_ROWS = 5_000_000
_HOUR = timedelta(hours=1)

_log = logging.getLogger(__name__)

Advance = Callable[[int], None]
"""Takes how many raw rows were read."""


@dataclass(frozen=True)
class Kind:
    """A typed table: the topic that it is made of, its decoder, and headers as columns (by the header's column)."""

    spec: TableSpec
    topic: str
    decode: Callable[[Sequence[bytes | None]], TypedRows] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def kinds(events_topic: str, metrics_topic: str) -> tuple[Kind, ...]:
    """Return the typed tables there are."""
    return (
        Kind(EVENTS, events_topic, type_events),
        Kind(WEB_LOGS, WEB_LOGS_TOPIC, type_web_logs),
        Kind(METRICS, metrics_topic, type_metrics, {"processor_group": "group", "receipt": "receipt"}),
        Kind(SCENARIO_RESULTS, SCENARIO_RESULTS_TOPIC, type_scenario_results),
    )


@dataclass(frozen=True)
class Plan:
    """The hours of a table that are due, and how many are left because they are not closed.

    `table` was loaded before the raw files were listed, None when there was none: what others commit later is seen.
    """

    kind: Kind
    due: Sequence[RawHour]
    open: int
    table: Table | None = field(repr=False)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.due)


@dataclass
class Outcome:
    """What a run did for a table."""

    hours: int = 0
    raw_rows: int = 0
    typed_rows: int = 0
    files: int = 0
    bytes: int = 0
    untyped: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[Hour, str]] = field(default_factory=list)
    overtaken: int = 0
    """Hours that another run did at the same time; theirs is what the table has."""


def plan(
    kind: Kind,
    hours: Iterable[RawHour],
    ledger: Mapping[tuple[str, str, Hour], Compacted],
    closed_before: datetime | None,
    table: Table | None,
) -> Plan:
    """Return what is to be done. Hours that end after `closed_before` are open; None closes all of them."""
    due, still_open = [], 0
    for each in hours:
        if each.topic != kind.topic:
            continue
        done = ledger.get((kind.spec.name, each.topic, each.hour))
        if done is not None and done.raw_files == each.fingerprint:
            continue
        start = each.hour.start
        if closed_before is not None and start is not None and start + _HOUR > closed_before:
            still_open += 1
        else:
            due.append(each)
    return Plan(kind, due, still_open, table)


def compact(
    work: Plan,
    connection: DuckDBPyConnection,
    catalog: Catalog,
    settings: CatalogSettings,
    now: Callable[[], datetime],
    advance: Advance,
) -> Outcome:
    """Type and commit the hours that are due. An hour that can't be typed is left as it was, and named."""
    outcome = Outcome()
    if not work.due:
        return outcome
    table = open_table(catalog, settings, work.kind.spec)
    for group in _groups(work.due):
        files: dict[Hour, Sequence[DataFile]] = {}
        done: list[Compacted] = []
        for each in group:
            try:
                files[each.hour], compacted = _typed(work.kind, each, connection, table, now, advance)
            except ArchiveError as error:
                outcome.failed.append((each.hour, str(error)))
                continue
            except OSError as error:
                outcome.failed.append((each.hour, f"its files can't be written: {one_line(error)}"))
                continue
            except Exception as error:  # one record must not stop the other hours and tables
                _log.exception("%s %s can't be typed", work.kind.spec.name, each.hour)
                outcome.failed.append((each.hour, f"{type(error).__name__}: {one_line(error)}"))
                continue
            done.append(compacted)
        if not done:
            continue
        before = files_by_hour(work.table, settings, work.kind.topic, list(files))
        committed = replace_hours(table, settings, work.kind.topic, files, before)
        outcome.overtaken += len(done) - len(committed)
        if committed:
            done = [each for each in done if each.hour in committed]
            record(catalog, settings, done)
            _add(outcome, {hour: files[hour] for hour in committed}, done)
    return outcome


def _add(outcome: Outcome, files: Mapping[Hour, Sequence[DataFile]], done: Sequence[Compacted]) -> None:
    outcome.hours += len(done)
    outcome.files += sum(map(len, files.values()))
    outcome.bytes += sum(file.file_size_in_bytes for each in files.values() for file in each)
    for each in done:
        outcome.raw_rows += each.raw_rows
        outcome.typed_rows += each.typed_rows
        outcome.untyped.update(each.untyped)


def _groups(hours: Sequence[RawHour]) -> Iterator[list[RawHour]]:
    """Hours that are committed together."""
    group: list[RawHour] = []
    rows = 0
    for each in hours:
        group.append(each)
        rows += each.rows
        if len(group) >= _GROUP_HOURS or rows >= _GROUP_ROWS:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _typed(
    kind: Kind,
    raw: RawHour,
    connection: DuckDBPyConnection,
    table: Table,
    now: Callable[[], datetime],
    advance: Advance,
) -> tuple[Sequence[DataFile], Compacted]:
    untyped: Counter[str] = Counter()
    read = 0
    with HourFiles(table, raw.hour) as files:
        for batch in read_rows(connection, raw.files, sorted(set(kind.headers.values()))):
            rows = kind.decode(batch.column("value").to_pylist())
            untyped.update(rows.untyped())
            _write(files, kind, batch, rows)
            read += batch.num_rows
            advance(batch.num_rows)
        written = files.finish()
    done = Compacted(kind.spec.name, raw.topic, raw.hour, raw.fingerprint, read, files.rows, dict(untyped), now())
    return written, done


def _write(files: HourFiles, kind: Kind, batch: pyarrow.RecordBatch, rows: TypedRows) -> None:
    sources = {name: name for name in ("partition", "offset")} | {"record_timestamp": "timestamp", **kind.headers}
    columns = {name: batch.column(source) for name, source in sources.items()}
    if rows.refusals:
        places = pyarrow.array(rows.places, pyarrow.int64())
        columns = {name: column.take(places) for name, column in columns.items()}
    topic = pyarrow.repeat(pyarrow.scalar(kind.topic), len(rows.places))
    files.write({**rows.columns, **columns, "topic": topic}, len(rows.places))
