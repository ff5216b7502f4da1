"""Windows as CSV (RFC 4180), for spreadsheets.

The numbers have columns of their own. Names come from the internet and stand only inside the JSON objects of the last
columns, which begin with a brace: no spreadsheet takes such a cell for a formula.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import msgspec

from clickstream_consumer.history import Kept
from clickstream_core.window_metrics import WindowMetrics

_EVENT_TYPES = ("page_view", "click", "add_to_cart", "purchase", "search")
_DEVICES = ("mobile", "desktop", "tablet")
_ROWS_AT_ONCE = 200
_decode = msgspec.json.Decoder(WindowMetrics).decode  # its values were checked when it came
COLUMNS = (
    "window_start",
    "window_end",
    "revision",
    "approximate",
    "total_events",
    "unique_users",
    "unique_sessions",
    "avg_duration_ms",
    *(f"events_{name}" for name in _EVENT_TYPES),
    "events_other",
    *(f"device_{name}" for name in _DEVICES),
    "device_other",
    "top_referrers",
    "top_pages",
    "countries",
)


def as_csv(windows: Iterable[Kept], *, marked: bool = False) -> Iterator[bytes]:
    """Return the header and one row per window, in parts of some rows.

    `marked` puts a byte order mark first: without it Excel reads the text in the encoding of its country.
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
        *_counts(metrics.event_types, _EVENT_TYPES),
        *_counts(metrics.devices, _DEVICES),
        msgspec.json.encode(metrics.top_referrers).decode(),
        msgspec.json.encode(metrics.top_pages).decode(),
        "" if metrics.countries is msgspec.UNSET else msgspec.json.encode(metrics.countries).decode(),
    )


def _counts(counts: Mapping[str, int], names: tuple[str, ...]) -> list[int]:
    known = [counts.get(name, 0) for name in names]
    return [*known, sum(counts.values()) - sum(known)]


def _lines(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
