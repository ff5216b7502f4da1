"""Counts the events of each window again, by the rules of the metrics record (docs/records.md), for one group.

An event is counted in the window of its time unless it is in the group's dead letters. Window sizes are those of the
group's results (`sizes`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from clickstream_archive.sizes import Counted, Sizes, window_sizes

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


def prepare(connection: DuckDBPyConnection, group: str, events_topic: str, *, by_arrival: bool) -> Sizes:
    """Make the tables of this group, and return its window sizes.

    `last_results` are those of regular windows, `refused` its dead letters, `counted` the events with their windows.
    """
    time = "arrived" if by_arrival else "time"
    connection.execute(
        "CREATE OR REPLACE TABLE last_results AS SELECT * FROM results WHERE writer = $group QUALIFY row_number()"
        " OVER (PARTITION BY window_start, window_end ORDER BY revision DESC, arrived DESC) = 1",
        {"group": group},
    )
    rows = connection.execute("SELECT window_start, window_end, arrived FROM last_results").fetchall()
    sizes = window_sizes([Counted(*row) for row in rows])
    for extra in sizes.extra:
        connection.execute(
            "DELETE FROM last_results WHERE window_start = ? AND window_end = ?", [extra.start, extra.end]
        )
    connection.execute("CREATE OR REPLACE TABLE sizes (size BIGINT, since BIGINT, until BIGINT)")
    for span in sizes.spans:
        connection.execute("INSERT INTO sizes VALUES (?, ?, ?)", [span.size, span.since, span.until])
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
    return sizes


def windows(connection: DuckDBPyConnection) -> Iterator[Window]:
    """Yield every window that has events or a result, in the order of time."""
    rows = connection.cursor().execute(
        f"""SELECT coalesce(r.window_start, c.window_start) AS start, coalesce(r.window_end, c.window_end), r, c
        FROM last_results r FULL JOIN ({_recount("counted")}) c USING (window_start, window_end) ORDER BY start"""
    )
    while chunk := rows.fetchmany(1_000):
        for start, end, result, counted in chunk:
            yield Window(start, end, _result(result), _numbers(counted))


def recount_within(
    connection: DuckDBPyConnection, start: int, end: int, ranges: Sequence[tuple[int, int, int]]
) -> Numbers | None:
    """Return the figures of a window of the events in these ranges: partition, first and last offset.

    They are in the table `ranges` then (number, low, high), and the events in `within`, with the range's number.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE ranges (number BIGINT, low BIGINT, high BIGINT)")
    for each in ranges:
        connection.execute("INSERT INTO ranges VALUES (?, ?, ?)", list(each))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE within AS SELECT c.*, r.number FROM counted c JOIN ranges r"
        ' ON r.number = c."partition" AND c."offset" BETWEEN r.low AND r.high'
        f" WHERE c.window_start = {start} AND c.window_end = {end}"
    )
    row = connection.execute(f"SELECT c FROM ({_recount('within')}) c").fetchone()
    return None if row is None else _numbers(row[0])


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


def _result(row: Mapping[str, Any] | None) -> Result | None:
    """The result in a row of `last_results`; None if the join found none."""
    if row is None or row["offset"] is None:
        return None
    numbers = _numbers(row)
    assert numbers is not None
    return Result(
        partition=row["partition"],
        offset=row["offset"],
        at=row["arrived"],
        revision=row["revision"],
        approximate=row["approximate"],
        numbers=numbers,
        receipt=row["receipt"],
    )


def _numbers(row: Mapping[str, Any] | None) -> Numbers | None:
    """The figures in a row of results or of the recount; None if the join found none."""
    if row is None or row["total_events"] is None:
        return None
    values = {name: row[name] for name in FIELDS}
    for name in _NAMED:
        values[name] = tuple((each["name"], each["n"]) for each in row[name] or ())
    return Numbers(**values)
