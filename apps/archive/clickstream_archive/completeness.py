"""Finds gaps and doubled offsets with one sorted pass over (topic, partition, offset, timestamp)."""

from duckdb import DuckDBPyConnection

from clickstream_archive.offsets import Doubled, Gap, PartitionOffsets


def partition_offsets(
    connection: DuckDBPyConnection, source: str, *, from_first: bool = False
) -> list[PartitionOffsets]:
    """Return each topic partition in `source`, a relation with topic, partition, offset and arrived (milliseconds).

    With `from_first` the offsets from 0 to a partition's first one are a gap too.
    """
    found = {
        (topic, partition): PartitionOffsets(
            topic,
            partition,
            first,
            last,
            rows,
            [Gap(0, first - 1, None, first_at)] if from_first and first > 0 else [],
            last_at=last_at,
        )
        for topic, partition, first, last, rows, first_at, last_at in connection.execute(
            'SELECT topic, "partition", min("offset"), max("offset"), count(*), arg_min(arrived, "offset"),'
            f' arg_max(arrived, "offset") FROM ({source}) GROUP BY ALL ORDER BY ALL'
        ).fetchall()
    }
    steps = f"""
        SELECT topic, "partition", "offset", arrived,
            lag("offset") OVER w AS before, lag(arrived) OVER w AS before_arrived
        FROM ({source}) WINDOW w AS (PARTITION BY topic, "partition" ORDER BY "offset")
    """
    irregular = connection.execute(
        f"""SELECT topic, "partition", before, "offset", before_arrived, arrived FROM ({steps})
        WHERE "offset" <> before + 1 ORDER BY topic, "partition", "offset" """
    )
    while rows := irregular.fetchmany(10_000):
        for topic, partition, before, offset, since, until in rows:
            there = found[topic, partition]
            if offset > before:
                there.gaps.append(Gap(before + 1, offset - 1, since, until))
            elif there.doubled and there.doubled[-1].last >= offset - 1:
                last = there.doubled[-1]
                there.doubled[-1] = Doubled(last.first, offset, last.alike and since == until)
            else:
                there.doubled.append(Doubled(offset, offset, since == until))
    return list(found.values())
