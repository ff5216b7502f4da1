"""Counts the events of each window again, by the rules of the metrics record (docs/records.md), for one group.

An event is counted in the window of its time unless it is in the group's dead letters. Window sizes are those of the
group's results: a size holds for the time from its first window to its last, without the times in which it has no
results and another size has. Two sizes can hold for the same time, when events were counted again by another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

Named = tuple[tuple[str, int], ...]

FIELDS = (
    "total_events",
    "unique_users",
    "unique_sessions",
    "event_types",
    "devices",
    "top_referrers",
    "top_pages",
    "avg_duration_ms",
)
_MAPS = {"event_types": ("event_type", None), "devices": ("device_type", None)}
_TOPS: dict[str, tuple[str, int | None]] = {"top_referrers": ("referrer", 3), "top_pages": ("page_url", 5)}
_NAMED: dict[str, tuple[str, int | None]] = {**_MAPS, **_TOPS}

_SIZES = """CREATE OR REPLACE TABLE sizes AS
    WITH ended AS (
        SELECT window_end - window_start AS size, window_start, window_end,
        lag(window_end) OVER (PARTITION BY window_end - window_start ORDER BY window_start) AS before
        FROM last_results
    ), spans AS (
        SELECT *, sum(CASE WHEN window_start > before AND EXISTS (
            SELECT 1 FROM last_results o WHERE o.window_start >= before AND o.window_start < e.window_start
            AND o.window_end - o.window_start <> e.size) THEN 1 ELSE 0 END)
        OVER (PARTITION BY size ORDER BY window_start) AS span FROM ended e
    )
    SELECT size, min(window_start) AS since, max(window_end) AS until FROM spans GROUP BY size, span"""


@dataclass(frozen=True)
class Numbers:
    """A window's figures; maps are in the order of the record, by count descending, then by name."""

    total_events: int
    unique_users: int
    unique_sessions: int
    event_types: Named
    devices: Named
    top_referrers: Named
    top_pages: Named
    avg_duration_ms: int


@dataclass(frozen=True)
class Result:
    """The last result of a window, and where its record is."""

    partition: int
    offset: int
    at: int
    revision: int
    approximate: bool
    numbers: Numbers
    receipt: str | None


@dataclass(frozen=True)
class Window:
    """A window with its last result and the recount; one of the two may be missing."""

    start: int
    end: int
    result: Result | None
    counted: Numbers | None


def groups(connection: DuckDBPyConnection) -> list[str]:
    """Return the groups whose results are there."""
    return [row[0] for row in connection.execute("SELECT DISTINCT writer FROM results ORDER BY 1").fetchall()]


def prepare(connection: DuckDBPyConnection, group: str, events_topic: str, *, by_arrival: bool) -> None:
    """Make the tables of this group: `last_results`, `sizes`, and `counted`, the events with their windows."""
    time = "arrived" if by_arrival else "time"
    connection.execute(
        "CREATE OR REPLACE TABLE last_results AS SELECT * FROM results WHERE writer = $group QUALIFY row_number()"
        " OVER (PARTITION BY window_start, window_end ORDER BY revision DESC, arrived DESC) = 1",
        {"group": group},
    )
    connection.execute(_SIZES)
    # Before the first result the size of that time is unknown; the first one's is taken, and after the last the last's.
    connection.execute(
        "UPDATE sizes SET since = -9000000000000000 WHERE since = (SELECT min(since) FROM sizes);"
        "UPDATE sizes SET until = 9000000000000000 WHERE until = (SELECT max(until) FROM sizes)"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE refused AS SELECT source_partition, source_offset, min(reason) AS reason,"
        " count(*) AS n FROM dead_letters WHERE writer = $group AND source_topic = $topic AND source_offset IS NOT NULL"
        " GROUP BY 1, 2",
        {"group": group, "topic": events_topic},
    )
    floor = f"{time} - ((({time} % size) + size) % size)"
    connection.execute(
        f"""CREATE OR REPLACE TABLE counted AS
        SELECT e.*, {floor} AS window_start, {floor} + size AS window_end
        FROM events e JOIN sizes s ON {time} >= s.since AND {time} < s.until
        ANTI JOIN refused r ON r.source_partition = e."partition" AND r.source_offset = e."offset"
        WHERE e.reason IS NULL"""
    )


def windows(connection: DuckDBPyConnection) -> Iterator[Window]:
    """Yield every window that has events or a result, in the order of time."""
    counted = _recount("counted")
    columns = ", ".join(f"r.{name}" for name in ("partition", "offset", "arrived", "revision", "approximate", *FIELDS))
    columns = columns.replace("r.partition", 'r."partition"').replace("r.offset", 'r."offset"')
    again = ", ".join(f"c.{name}" for name in FIELDS)
    rows = connection.cursor().execute(
        f"""SELECT coalesce(r.window_start, c.window_start) AS start, coalesce(r.window_end, c.window_end),
        {columns}, r.receipt, {again}
        FROM last_results r FULL JOIN ({counted}) c ON c.window_start = r.window_start AND c.window_end = r.window_end
        ORDER BY start"""
    )
    while chunk := rows.fetchmany(1_000):
        for start, end, *rest in chunk:
            partition, offset, at, revision, approximate = rest[:5]
            numbers, receipt, counted_again = rest[5:13], rest[13], rest[14:]
            result = (
                None
                if offset is None
                else Result(partition, offset, at, revision, approximate, _numbers(numbers), receipt)
            )
            yield Window(start, end, result, None if counted_again[0] is None else _numbers(counted_again))


def recount_within(
    connection: DuckDBPyConnection, start: int, end: int, ranges: Sequence[tuple[int, int, int]]
) -> Numbers | None:
    """Return the figures of a window of the events in these ranges: partition, first and last offset."""
    connection.execute("CREATE OR REPLACE TEMP TABLE ranges (number BIGINT, low BIGINT, high BIGINT)")
    connection.executemany("INSERT INTO ranges VALUES (?, ?, ?)", [list(each) for each in ranges])
    source = (
        f'SELECT c.* FROM counted c JOIN ranges r ON r.number = c."partition" AND c."offset" BETWEEN r.low AND r.high'
        f" WHERE c.window_start = {start} AND c.window_end = {end}"
    )
    row = connection.execute(f"SELECT {', '.join(FIELDS)} FROM ({_recount(f'({source})')})").fetchone()
    return None if row is None else _numbers(row)


def _recount(source: str) -> str:
    """The query for a row of figures by window."""
    keys = "window_start, window_end"
    parts = [
        f"""(SELECT {keys}, count(*) AS total_events, count(DISTINCT user_id) AS unique_users,
        count(DISTINCT session_id) AS unique_sessions,
        (sum(duration_ms::HUGEINT) // count(*))::BIGINT AS avg_duration_ms FROM {source} GROUP BY ALL) totals"""
    ]
    for alias, (column, most) in _NAMED.items():
        limit = f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY n DESC, name) <= {most}" if most else ""
        parts.append(
            f"""(SELECT {keys}, list({{'name': name, 'n': n}} ORDER BY n DESC, name) AS {alias} FROM (
            SELECT {keys}, {column} AS name, count(*) AS n FROM {source} GROUP BY {keys}, {column} {limit})
            GROUP BY ALL) of_{alias}"""
        )
    return f"SELECT * FROM {' JOIN '.join([parts[0], *(f'{each} USING ({keys})' for each in parts[1:])])}"


def _numbers(row: Sequence[Any]) -> Numbers:
    values = dict(zip(FIELDS, row, strict=True))
    for name in _NAMED:
        values[name] = tuple((each["name"], each["n"]) for each in values[name] or ())
    return Numbers(**values)
