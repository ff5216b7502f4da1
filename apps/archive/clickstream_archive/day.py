"""The numbers of a day: SQL on the day's events, wherever they lie.

A day is a day of event time, in UTC. Its events come from the typed table, and those of hours that are not compacted as
they are now, from the raw records, typed by the same code. An hour of the tables is one of the record's time, and an
event can be dated long before its record or after it. So all typed hours are looked at (by their files' bounds), and
all raw ones that are not compacted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow
from duckdb import DuckDBPyConnection

from clickstream_archive.lake import Lake
from clickstream_archive.quoting import quoted
from clickstream_archive.raw import Hour, RawFile, RawHour, by_hour
from clickstream_archive.reading import read_rows
from clickstream_archive.typing_events import type_events

_LAYOUT = re.compile(r"/topic=([^/]+)/year=(\d{4}|null)/month=(\d\d|null)/day=(\d\d|null)/hour=(\d\d|null)/")
_COLUMNS = (
    "timestamp TIMESTAMPTZ, user_id VARCHAR, session_id VARCHAR, event_type VARCHAR,"
    " page_url VARCHAR, referrer VARCHAR, device_type VARCHAR, country VARCHAR, duration_ms BIGINT"
)
_NAMES = [column.split()[0] for column in _COLUMNS.split(", ")]
_FUNNEL = ("page_view", "add_to_cart", "purchase")
_MOST_NAMES = 10

Counts = dict[str, int]


@dataclass(frozen=True)
class HourNumbers:
    """An hour of the day in UTC."""

    hour: int
    events: int
    users: int
    sessions: int
    purchases: int


@dataclass(frozen=True)
class Source:
    """Where a day's numbers come from. Hours are of the records' time, as the tables have them."""

    compacted: tuple[str, ...] = ()
    raw: tuple[str, ...] = ()
    archive_begins: str | None = None
    archive_ends: str | None = None
    untyped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Day:
    """The report of a day; counts are by name, the largest first."""

    day: str
    source: Source
    events: int
    users: int
    sessions: int
    avg_duration_ms: int | None
    event_types: Counts
    devices: Counts
    countries: Counts
    top_pages: Counts
    top_referrers: Counts
    funnel: Counts
    hours: tuple[HourNumbers, ...]


@dataclass(frozen=True)
class _Compacted:
    """What the ledger has of an hour: the raw files that it was typed from, and what could not be typed."""

    raw_files: str
    untyped: Mapping[str, int]


def report(lake: Lake, events_topic: str, day: date, advance: Any = lambda done: None) -> Day:
    """Count the day's events; a day without any has zeros."""
    hours = _raw_hours(lake, events_topic)
    ledger = _ledger(lake, events_topic)
    uncompacted = [each for each in hours if each.hour not in ledger or ledger[each.hour].raw_files != each.fingerprint]
    counted_from_raw = {each.hour for each in uncompacted}
    untyped = _gather(lake, events_topic, day, uncompacted, advance)
    archived = sorted({each.hour for each in hours} | ledger.keys())  # raw records may have been deleted since
    own_hours = [each for each in archived if _is_of(each, day)]
    for hour in own_hours:
        if hour not in counted_from_raw:
            untyped.update(ledger[hour].untyped)
    dated = [each for each in archived if each.start is not None]
    source = Source(
        tuple(hour.hour for hour in own_hours if hour not in counted_from_raw),
        tuple(hour.hour for hour in own_hours if hour in counted_from_raw),
        str(dated[0]) if dated else None,
        str(dated[-1]) if dated else None,
        dict(sorted(untyped.items())),
    )
    # All questions are about the same snapshot of the tables, whatever is compacted in between.
    lake.connection.begin()
    try:
        return _count(lake.connection, day, source)
    finally:
        lake.connection.rollback()


def _raw_hours(lake: Lake, topic: str) -> list[RawHour]:
    """The topic's hours with their files, as the raw table's manifests name them."""
    files = []
    for path, rows in lake.files("raw").items() if "raw" in lake.sources else ():
        found = _LAYOUT.search(path)
        if found is not None and found[1] == topic:
            hour = Hour(*("" if part == "null" else part for part in found.groups()[1:]))
            files.append(RawFile(path, topic, hour, rows, 0))
    return by_hour(files)


def _ledger(lake: Lake, topic: str) -> dict[Hour, _Compacted]:
    """The hours of the typed table."""
    if "compactions" not in lake.sources:
        return {}
    rows = lake.connection.execute(
        "SELECT year, month, day, hour, raw_files, untyped FROM compactions WHERE table_name = 'events' AND topic = ?",
        [topic],
    ).fetchall()
    return {
        Hour(*(part or "" for part in hour)): _Compacted(raw_files, untyped or {}) for *hour, raw_files, untyped in rows
    }


def _is_of(hour: Hour, day: date) -> bool:
    return hour.start is not None and hour.start.date() == day


def _gather(lake: Lake, topic: str, day: date, uncompacted: Iterable[RawHour], advance: Any) -> Counter[str]:
    """Make the table `day_events`; return what could not be typed among the raw records of the day's own hours."""
    connection = lake.connection
    connection.execute(f"CREATE TABLE from_raw ({_COLUMNS})")
    untyped: Counter[str] = Counter()
    for each in uncompacted:
        for batch in read_rows(connection, each.files):
            rows = type_events(batch.column("value").to_pylist())
            if _is_of(each.hour, day):
                untyped.update(rows.untyped())
            _insert(connection, {name: rows.columns[name] for name in _NAMES}, day)
            advance(batch.num_rows)
    names = ", ".join(_NAMES)
    typed = ""
    if "events" in lake.sources:
        kept = " AND ".join([f"topic = {quoted(topic)}", *(_is_not(each.hour) for each in uncompacted)])
        typed = f"SELECT {names} FROM events WHERE {kept} AND {_within(day)} UNION ALL "
    connection.execute(f"CREATE TEMP VIEW day_events AS {typed}SELECT {names} FROM from_raw")
    return untyped


def _insert(connection: DuckDBPyConnection, columns: Mapping[str, list[Any]], day: date) -> None:
    schema = pyarrow.schema(
        (name, pyarrow.int64() if name in ("timestamp", "duration_ms") else pyarrow.string()) for name in columns
    )
    chunk = pyarrow.table({name: pyarrow.array(columns[name], schema.field(name).type) for name in columns})
    cursor = connection.cursor()  # the connection itself is being read from
    cursor.register("chunk", chunk)
    cursor.execute(
        "INSERT INTO from_raw SELECT * FROM"
        f" (SELECT * REPLACE (make_timestamptz(timestamp) AS timestamp) FROM chunk) WHERE {_within(day)}"
    )
    cursor.close()


def _within(day: date) -> str:
    midnight = f"'{day}T00:00:00Z'::TIMESTAMPTZ"
    return f"timestamp >= {midnight} AND timestamp < {midnight} + INTERVAL 24 HOURS"


def _is_not(hour: Hour) -> str:
    if not hour.year:
        return "year IS NOT NULL"
    same = f"year = '{hour.year}' AND month = '{hour.month}' AND day = '{hour.day}' AND hour = '{hour.hour}'"
    return f"(year IS NULL OR NOT ({same}))"


def _count(connection: DuckDBPyConnection, day: date, source: Source) -> Day:
    found = connection.execute(
        "SELECT count(*), count(DISTINCT user_id), count(DISTINCT session_id), sum(duration_ms) FROM day_events"
    ).fetchone()
    events, users, sessions, duration = found or (0, 0, 0, None)
    return Day(
        day.isoformat(),
        source,
        events,
        users,
        sessions,
        int(duration // events) if events else None,
        _by_name(connection, "event_type"),
        _by_name(connection, "device_type"),
        _by_name(connection, "country", _MOST_NAMES),
        _by_name(connection, "page_url", _MOST_NAMES),
        _by_name(connection, "referrer", _MOST_NAMES),
        _funnel(connection),
        _hours(connection),
    )


def _by_name(connection: DuckDBPyConnection, column: str, most: int = 1000) -> Counts:
    rows = connection.execute(
        f"SELECT {column}, count(*) FROM day_events WHERE {column} IS NOT NULL"
        f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {most}"
    ).fetchall()
    return dict(rows)


def _funnel(connection: DuckDBPyConnection) -> Counts:
    """Sessions that viewed a page, then added something to the cart, then bought: each step after the one before."""
    row = connection.execute(
        """
        WITH viewed AS (
            SELECT session_id, min(timestamp) AS since FROM day_events WHERE event_type = 'page_view' GROUP BY 1
        ), added AS (
            SELECT e.session_id, min(e.timestamp) AS since FROM day_events e JOIN viewed v USING (session_id)
            WHERE e.event_type = 'add_to_cart' AND e.timestamp >= v.since GROUP BY 1
        ), bought AS (
            SELECT DISTINCT e.session_id FROM day_events e JOIN added a USING (session_id)
            WHERE e.event_type = 'purchase' AND e.timestamp >= a.since
        )
        SELECT (SELECT count(*) FROM viewed), (SELECT count(*) FROM added), (SELECT count(*) FROM bought)
        """
    ).fetchone()
    return dict(zip(_FUNNEL, row or (0, 0, 0), strict=True))


def _hours(connection: DuckDBPyConnection) -> tuple[HourNumbers, ...]:
    rows = connection.execute(
        "SELECT hour(timestamp)::INT, count(*), count(DISTINCT user_id), count(DISTINCT session_id),"
        " count(*) FILTER (event_type = 'purchase') FROM day_events GROUP BY 1"
    ).fetchall()
    by_hour = {row[0]: HourNumbers(*row) for row in rows}
    return tuple(by_hour.get(hour, HourNumbers(hour, 0, 0, 0, 0)) for hour in range(24))
