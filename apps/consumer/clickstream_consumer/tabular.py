"""Windows as CSV (RFC 4180), for spreadsheets.

Numbers have columns of their own. Names come from the internet and appear only inside the JSON objects of the last
columns. Those begin with a brace, so no spreadsheet takes such a cell for a formula.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from clickstream_consumer.history import Kept
from clickstream_consumer.results import OTHER, USUAL_DEVICES, USUAL_EVENT_TYPES, by_usual_name
from clickstream_core.window_metrics import WindowMetrics

_ROWS_AT_ONCE = 200
_decode = msgspec.json.Decoder(WindowMetrics).decode  # its values were checked when it arrived
COLUMNS = (
    "window_start",
    "window_end",
    "revision",
    "approximate",
    "total_events",
    "unique_users",
    "unique_sessions",
    "avg_duration_ms",
    *(f"events_{name}" for name in (*USUAL_EVENT_TYPES, OTHER)),
    *(f"device_{name}" for name in (*USUAL_DEVICES, OTHER)),
    "top_referrers",
    "top_pages",
    "countries",
)


def as_csv(windows: Iterable[Kept], *, marked: bool = False) -> Iterator[bytes]:
    """Return the header and one row per window, some rows at a time.

    `marked` puts a byte order mark first: without it Excel reads the text in its locale's encoding.
    """
    if marked:
        yield codecs.BOM_UTF8
    yield _lines([COLUMNS])
    remaining = iter(windows)
    while rows := [_row(_decode(kept.json)) for kept in islice(remaining, _ROWS_AT_ONCE)]:
        yield _lines(rows)


def _row(metrics: WindowMetrics) -> tuple[object, ...]:
    return (
        metrics.window_start,
        metrics.window_end,
        metrics.revision,
        "true" if metrics.approximate else "false",
        metrics.total_events,
        metrics.unique_users,
        metrics.unique_sessions,
        metrics.avg_duration_ms,
        *by_usual_name(metrics.event_types, USUAL_EVENT_TYPES).values(),
        *by_usual_name(metrics.devices, USUAL_DEVICES).values(),
        msgspec.json.encode(metrics.top_referrers).decode(),
        msgspec.json.encode(metrics.top_pages).decode(),
        "" if metrics.countries is msgspec.UNSET else msgspec.json.encode(metrics.countries).decode(),
    )


def _lines(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
