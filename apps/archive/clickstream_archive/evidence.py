"""What verify knows, in tables of a DuckDB file on disk: records' offsets, events as counted, dead letters, results.

The archive and the live topics fill the same tables (`from_archive`, `from_topics`), and the same SQL judges them. Each
record of the three topics is there once, also if its source has it twice: that is found in the offsets, and a doubled
record must not make its window wrong too. Times are milliseconds since the epoch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow
from duckdb import DuckDBPyConnection

from clickstream_archive.typing_events import type_events
from clickstream_core.errors import MalformedMetrics, MalformedReceipt
from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.receipt_checks import result_problems
from clickstream_core.receipts import decode_receipt
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import decode_window_metrics

_INT, _TEXT = pyarrow.int64(), pyarrow.string()
_COUNTS = pyarrow.list_(pyarrow.struct([("name", _TEXT), ("n", _INT)]))

EVENTS = pyarrow.schema(
    [
        *((name, _INT) for name in ("partition", "offset", "arrived", "time")),
        *((name, _TEXT) for name in ("user_id", "session_id", "event_type", "page_url", "referrer", "device_type")),
        ("duration_ms", _INT),
        ("reason", _TEXT),
    ]
)
"""Every record of the events topic; `reason` says why it is no event, and is null for events."""

DEAD_LETTERS = pyarrow.schema(
    [
        *((name, _INT) for name in ("partition", "offset", "arrived")),
        ("writer", _TEXT),
        ("source_topic", _TEXT),
        ("source_partition", _INT),
        ("source_offset", _INT),
        ("reason", _TEXT),
    ]
)
"""The processors' dead letters; `writer` is the group. Sources are null when the archive has no headers."""

RESULTS = pyarrow.schema(
    [
        *((name, _INT) for name in ("partition", "offset", "arrived")),
        ("writer", _TEXT),
        *((name, _INT) for name in ("window_start", "window_end", "revision")),
        ("approximate", pyarrow.bool_()),
        *((name, _INT) for name in ("total_events", "unique_users", "unique_sessions", "avg_duration_ms")),
        *((name, _COUNTS) for name in ("event_types", "devices", "top_referrers", "top_pages")),
        ("receipt", _TEXT),
    ]
)
"""Every result on the metrics topic."""

SHARES = pyarrow.schema(
    [
        ("writer", _TEXT),
        *((name, _INT) for name in ("window_start", "window_end", "arrived")),
        *((name, _INT) for name in ("partition", "first", "last", "counted", "refused")),
    ]
)
"""What the receipt of each result says of each partition of the events topic; `refused` is null when not known."""

_TABLES = {"events_read": EVENTS, "dead_letters_read": DEAD_LETTERS, "results_read": RESULTS, "shares": SHARES}
_PROCESSOR = "clickstream-streams"

Headers = Mapping[str, Sequence[str | None]]
"""The values of each header, one for each record."""


class Evidence:
    """The tables, and how records get into them."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self.connection = connection
        self.malformed_results: list[tuple[int, int, str]] = []
        self._headers_kept = False
        for name, schema in _TABLES.items():
            empty = schema.empty_table()
            connection.register("empty", empty)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM empty")
            connection.unregister("empty")

    def add_events(
        self, partitions: Sequence[int], offsets: Sequence[int], at: Sequence[int], values: Sequence[bytes | None]
    ) -> None:
        """Add records of the events topic, decoded as the processor does."""
        rows = type_events(values)
        columns: dict[str, list[Any]] = {name: [None] * len(values) for name in EVENTS.names[3:]}
        for name in EVENTS.names[4:-1]:
            target = columns[name]
            for place, value in zip(rows.places, rows.columns[name], strict=True):
                target[place] = value
        for place, microseconds in zip(rows.places, rows.columns["timestamp"], strict=True):
            columns["time"][place] = microseconds // 1000
        for refusal in rows.refusals:
            columns["reason"][refusal.place] = refusal.reason
        self._insert("events_read", {"partition": partitions, "offset": offsets, "arrived": at, **columns})

    def add_dead_letters(
        self, partitions: Sequence[int], offsets: Sequence[int], at: Sequence[int], headers: Headers
    ) -> None:
        """Add the processors' records of the dead letter topic. Others', such as the collector's, refuse no event."""
        kept = [
            place
            for place, app in enumerate(headers["app"])
            if app is None or (app == _PROCESSOR and _number(headers["source_offset"][place]) is not None)
        ]
        self._headers_kept = self._headers_kept or any(app is not None for app in headers["app"])
        self._insert(
            "dead_letters_read",
            {
                "partition": [partitions[place] for place in kept],
                "offset": [offsets[place] for place in kept],
                "arrived": [at[place] for place in kept],
                "writer": [headers["group"][place] or DEFAULT_GROUP for place in kept],
                "source_topic": [headers["source_topic"][place] for place in kept],
                "source_partition": [_number(headers["source_partition"][place]) for place in kept],
                "source_offset": [_number(headers["source_offset"][place]) for place in kept],
                "reason": [headers["reason"][place] for place in kept],
            },
        )

    def add_results(
        self,
        partitions: Sequence[int],
        offsets: Sequence[int],
        at: Sequence[int],
        values: Sequence[bytes | None],
        headers: Headers,
    ) -> None:
        """Add records of the metrics topic; one that is no result is noted."""
        rows: list[dict[str, Any]] = []
        for place, value in enumerate(values):
            try:
                found = decode_window_metrics(value)
            except MalformedMetrics as error:
                self.malformed_results.append((partitions[place], offsets[place], str(error)))
                continue
            rows.append(
                {
                    "partition": partitions[place],
                    "offset": offsets[place],
                    "arrived": at[place],
                    "writer": headers["group"][place] or DEFAULT_GROUP,
                    "window_start": parse_timestamp(found.window_start),
                    "window_end": parse_timestamp(found.window_end),
                    **{name: getattr(found, name) for name in RESULTS.names[6:12]},
                    **{
                        name: [{"name": key, "n": count} for key, count in getattr(found, name).items()]
                        for name in RESULTS.names[12:16]
                    },
                    "receipt": headers["receipt"][place],
                }
            )
        self._insert("results_read", {name: [row[name] for row in rows] for name in RESULTS.names})
        shares = [share for row in rows for share in _shares(row)]
        self._insert("shares", {name: [share[name] for share in shares] for name in SHARES.names})

    def forget_malformed_results(self) -> None:
        """Begin again with what is no result, when all records are read again."""
        self.malformed_results = []

    def finish(self) -> None:
        """Keep each record once, in the tables `events`, `dead_letters` and `results`, once all were added.

        A dead letter without headers counts only if none has them, as in an archive that does not keep headers.
        """
        if self._headers_kept:
            self.connection.execute("DELETE FROM dead_letters_read WHERE source_offset IS NULL")
        for table in ("events", "dead_letters", "results"):
            doubled = self.connection.execute(
                f'SELECT 1 FROM {table}_read GROUP BY "partition", "offset" HAVING count(*) > 1 LIMIT 1'
            ).fetchone()
            if doubled:
                query = f'SELECT DISTINCT ON ("partition", "offset") * FROM {table}_read'
                self.connection.execute(f"CREATE TABLE {table} AS {query}")
            else:
                self.connection.execute(f"ALTER TABLE {table}_read RENAME TO {table}")

    def _insert(self, table: str, columns: Mapping[str, Sequence[Any]]) -> None:
        schema = _TABLES[table]
        chunk = pyarrow.table([pyarrow.array(columns[name], schema.field(name).type) for name in schema.names], schema)
        if chunk.num_rows:
            cursor = self.connection.cursor()
            cursor.register("chunk", chunk)
            cursor.execute(f"INSERT INTO {table} SELECT * FROM chunk")
            cursor.close()


def _shares(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a result's receipt; none if it contradicts itself, which is found when the result is judged."""
    try:
        receipt = decode_receipt(result["receipt"].encode()) if result["receipt"] is not None else {}
    except MalformedReceipt:
        return
    if result_problems(result["total_events"], receipt):
        return
    for partition, share in receipt.items():
        yield {
            **{name: result[name] for name in ("writer", "window_start", "window_end", "arrived")},
            "partition": partition,
            "first": share.first,
            "last": share.last,
            "counted": share.counted,
            "refused": None if share.refused is None else sum(share.refused.values()),
        }


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None
