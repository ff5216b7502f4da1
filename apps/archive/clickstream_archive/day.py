"""The numbers of a day: SQL on the day's events, wherever they lie.

A day is a day of event time, in UTC. Its events come from the typed table, and those of hours that are not compacted as
they are now, from the raw records, typed by the same code. An hour of the tables is one of the record's time, so late
events of the day lie in later hours: all typed hours are looked at (by their files' bounds), and raw ones from the hour
before the day on.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow
from duckdb import DuckDBPyConnection

from clickstream_archive.lake import Lake
from clickstream_archive.quoting import quoted
from clickstream_archive.raw import Hour, RawFile, RawHour, by_hour
from clickstream_archive.reading import read_rows
from clickstream_archive.typing_events import type_events

_LAYOUT = re.compile(r"/topic=([^/]+)/year=(\d{4})/month=(\d\d)/day=(\d\d)/hour=(\d\d)/")
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


def report(lake: Lake, events_topic: str, day: date, advance: Any = lambda done: None) -> Day:
    """Count the day's events; a day without any has zeros."""
    hours = _raw_hours(lake, events_topic)
    done = _compacted(lake, events_topic)
    fresh = [
        each for each in hours if _concerns(each.hour, day) and done.get(each.hour, ("", {}))[0] != each.fingerprint
    ]
    untyped = _gather(lake, events_topic, day, fresh, advance)
    of_the_day = [each for each in hours if each.hour.start is not None and each.hour.start.date() == day]
    replaced = {each.hour for each in fresh}
    for each in of_the_day:
        if each.hour not in replaced:
            _add(untyped, done[each.hour][1])
    source = Source(
        tuple(each.hour.hour for each in of_the_day if each.hour not in replaced),
        tuple(each.hour.hour for each in of_the_day if each.hour in replaced),
        str(hours[0].hour) if hours else None,
        str(hours[-1].hour) if hours else None,
        dict(sorted(untyped.items())),
    )
    return _count(lake.connection, day, source)


def _raw_hours(lake: Lake, topic: str) -> list[RawHour]:
    """The topic's hours with their files, as the raw table's manifests name them."""
    files = []
    for path, rows in lake.files("raw").items() if "raw" in lake.sources else ():
        found = _LAYOUT.search(path)
        if found is not None and found[1] == topic:
            files.append(RawFile(path, topic, Hour(*found.groups()[1:]), rows, 0))
    return by_hour(files)


def _compacted(lake: Lake, topic: str) -> dict[Hour, tuple[str, dict[str, int]]]:
    """By hour: the raw files that the typed rows were made of, and what could not be typed."""
    if "compactions" not in lake.sources:
        return {}
    rows = lake.connection.execute(
        "SELECT year, month, day, hour, raw_files, untyped FROM compactions WHERE table_name = 'events' AND topic = ?",
        [topic],
    ).fetchall()
    return {Hour(*row[:4]): (row[4], dict(row[5] or {})) for row in rows}


def _concerns(hour: Hour, day: date) -> bool:
    start = hour.start
    return start is not None and start >= datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=1)


def _gather(lake: Lake, topic: str, day: date, fresh: Iterable[RawHour], advance: Any) -> dict[str, int]:
    """Make the view `day_events`; return what could not be typed among the raw records of the day's own hours."""
    connection = lake.connection
    connection.execute(f"CREATE TABLE fresh ({_COLUMNS})")
    untyped: dict[str, int] = {}
    replaced = []
    for each in fresh:
        replaced.append(each.hour)
        for batch in read_rows(connection, each.files):
            rows = type_events(batch.column("value").to_pylist())
            if each.hour.start is not None and each.hour.start.date() == day:
                _add(untyped, rows.untyped())
            _insert(connection, {name: rows.columns[name] for name in _NAMES})
            advance(batch.num_rows)
    names = ", ".join(_NAMES)
    typed = ""
    if "events" in lake.sources:
        rest = f"topic = {quoted(topic)} AND {_not_in(replaced)}"
        typed = f"SELECT {names} FROM events WHERE {rest} UNION ALL "
    connection.execute(
        f"CREATE TEMP TABLE day_events AS SELECT * FROM ({typed}SELECT {names} FROM fresh)"
        f" WHERE timestamp >= '{day}T00:00:00Z'::TIMESTAMPTZ"
        f" AND timestamp < '{day}T00:00:00Z'::TIMESTAMPTZ + INTERVAL 24 HOURS"
    )
    return untyped


def _insert(connection: DuckDBPyConnection, columns: Mapping[str, list[Any]]) -> None:
    schema = pyarrow.schema(
        (name, pyarrow.int64() if name in ("timestamp", "duration_ms") else pyarrow.string()) for name in columns
    )
    chunk = pyarrow.table({name: pyarrow.array(columns[name], schema.field(name).type) for name in columns})
    cursor = connection.cursor()  # the connection itself is being read from
    cursor.register("chunk", chunk)
    cursor.execute("INSERT INTO fresh SELECT * REPLACE (make_timestamptz(timestamp) AS timestamp) FROM chunk")
    cursor.close()


def _not_in(hours: Iterable[Hour]) -> str:
    terms = [
        f"NOT (year = '{each.year}' AND month = '{each.month}' AND day = '{each.day}' AND hour = '{each.hour}')"
        for each in hours
    ]
    return " AND ".join(terms) or "true"


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


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for kind, count in more.items():
        counts[kind] = counts.get(kind, 0) + count
