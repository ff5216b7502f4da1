"""Which records of the events topic are settled: what became of them, a result or a dead letter, must be there.

While the processor or the sink catches up, the archive has events of which neither is there yet. Times don't show that:
an event may have waited in its topic for hours. Receipts do. The processor takes the records of a partition in order,
and a result comes after everything up to the last record in its receipt was counted or refused:

- *processed* are the records up to the last one that a result names, once that result is so old that revisions of other
  windows by the same records must be there too.
- *lettered* are processed records whose dead letter would be there. Dead letters are written before the results, but
  they are in another topic, so the sink may have stored the results first. It has not if the dead letters are there to
  their topic's end, or in each partition up to a time after the result came.
- *vouched* are those between the first and the last record of a receipt that names as many refused records as there are
  dead letters of them.

Settled is what is processed, and lettered or vouched.

Only receipts whose last record is an archived event of their window are believed, so that a forged one settles nothing.
Where results have no receipts, a record is taken as settled when results arrived that are younger than it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from clickstream_archive.moments import FOREVER, NEVER

_REVISION_MS = 15_000
"""REVISION_INTERVAL, and time for a commit."""

_MOST_NAMED = 3

_SETTLED = """e."offset" <= r.processed AND (e."offset" <= r.lettered OR EXISTS (
    SELECT 1 FROM vouched v WHERE v."partition" = e."partition" AND e."offset" BETWEEN v."first" AND v."last"))"""


@dataclass(frozen=True)
class Standing:
    """How many records of a kind there are, how many are settled, and how many not even processed.

    `named` are a few of them, the settled ones first: partition and offset.
    """

    total: int
    settled: int
    unprocessed: int
    named: Sequence[tuple[int, int]]


def results_until(connection: DuckDBPyConnection) -> int:
    """Return the time up to which the group's results are there: the partition that ends first decides."""
    row = connection.execute(
        'SELECT min(newest) FROM (SELECT max(arrived) AS newest FROM last_results GROUP BY "partition")'
    ).fetchone()
    return NEVER if row is None or row[0] is None else int(row[0]) - _REVISION_MS


def letters_until(connection: DuckDBPyConnection, *, read_to_end: bool) -> int:
    """Return the time up to which dead letters are there: always, if their topic was read to its end.

    Else the partition that ends first decides; one that has none may have had some at any time.
    """
    if read_to_end:
        return FOREVER
    row = connection.execute(
        """SELECT min(newest) FROM (SELECT "partition", max(arrived) AS newest FROM dead_letters GROUP BY 1)
        HAVING count(*) = max("partition") + 1"""
    ).fetchone()
    return NEVER if row is None or row[0] is None else int(row[0]) - _REVISION_MS


def prepare_standing(connection: DuckDBPyConnection, group: str, results_until: int, letters_until: int) -> None:
    """Make the tables of what the group's receipts show."""
    connection.execute(
        """CREATE OR REPLACE TABLE proven AS SELECT s.* FROM shares s JOIN counted c ON c."partition" = s."partition"
        AND c."offset" = s."last" AND c.window_start = s.window_start AND c.window_end = s.window_end
        WHERE s.writer = $group""",
        {"group": group},
    )
    connection.execute(
        """CREATE OR REPLACE TABLE reached AS SELECT "partition",
            coalesce(max("last") FILTER (arrived <= $results), -1) AS processed,
            coalesce(max("last") FILTER (arrived <= $letters), -1) AS lettered
        FROM proven GROUP BY 1
        UNION ALL SELECT "partition", max("offset"), max("offset") FROM events
        WHERE arrived < $results AND NOT EXISTS (SELECT 1 FROM proven) GROUP BY 1""",
        {"results": results_until, "letters": letters_until},
    )
    connection.execute(
        """CREATE OR REPLACE TABLE vouched AS
        WITH numbered AS (SELECT source_partition AS "partition", source_offset AS at,
            row_number() OVER (PARTITION BY source_partition ORDER BY source_offset) AS n FROM refused)
        SELECT p."partition", p."first", p."last" FROM proven p
        ASOF LEFT JOIN numbered until ON until."partition" = p."partition" AND until.at <= p."last"
        ASOF LEFT JOIN numbered before ON before."partition" = p."partition" AND before.at < p."first"
        WHERE p.refused = coalesce(until.n, 0) - coalesce(before.n, 0)"""
    )


def standing(connection: DuckDBPyConnection, records: str) -> Standing:
    """Return the standing of these records, a query with partition and offset."""
    rows = connection.execute(
        f"""SELECT coalesce({_SETTLED}, false) AS settled, coalesce(e."offset" <= r.processed, false) AS processed,
            count(*), list(e."partition" || '@' || e."offset" ORDER BY e."partition", e."offset")[:{_MOST_NAMED}]
        FROM ({records}) e LEFT JOIN reached r USING ("partition") GROUP BY 1, 2 ORDER BY settled DESC"""
    ).fetchall()
    named = [tuple(map(int, each.split("@"))) for *_, names in rows for each in names]
    return Standing(
        total=sum(count for *_, count, _ in rows),
        settled=sum(count for settled, _, count, _ in rows if settled),
        unprocessed=sum(count for _, processed, count, _ in rows if not processed),
        named=[(partition, offset) for partition, offset in named[:_MOST_NAMED]],
    )


def settled_records(records: str) -> str:
    """Return the query for those of these records that are settled, with all their columns."""
    return f'SELECT e.* FROM ({records}) e JOIN reached r USING ("partition") WHERE {_SETTLED}'
