"""The dashboard block: a window's metrics as text.

Widths are counted in terminal cells, so that the columns also stand under each other when a name is written in a script
whose characters take two; for ASCII a cell is a character. Names come from the internet (anybody can send an event
with any URL), so whatever is not printable in them, escape sequences and text direction overrides above all, is
shown as its code, `\\x1b`, and can do nothing to the reader's terminal. Nothing is cut off.
"""

from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_core.window_metrics import WindowMetrics

RULE = "=" * 80
_SHORT_NAME, _REFERRER, _PAGE = 15, 20, 30


def block(metrics: WindowMetrics, labels: Labels) -> str:
    """Return the block for one window, from rule to rule, without a final newline."""
    return "\n".join(_lines(metrics, labels))


def position(result: WindowResult) -> str:
    """Return the line below the block: where in the metrics topic the result stood."""
    return f"📍 Partition: {result.partition} | Offset: {result.offset} | Total consumed: {result.consumed}"


def period(metrics: WindowMetrics) -> str:
    """Return the window's start and end."""
    return f"{printable(metrics.window_start)} → {printable(metrics.window_end)}"


def marks(metrics: WindowMetrics) -> str:
    """Return what must be known about the numbers: that they were revised, that they are approximate, or nothing."""
    revision = f" (revision {metrics.revision})" if metrics.revision else ""
    return revision + (" (approximate)" if metrics.approximate else "")


def printable(name: str) -> str:
    """Return `name` with every character that is not printable written as a backslash escape."""
    if name.isprintable():
        return name
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")  # "\x1b", "\u202e"
        for char in name
    )


def _lines(metrics: WindowMetrics, labels: Labels) -> Iterator[str]:
    overview = {
        labels.total_events: f"{metrics.total_events:,}",
        labels.unique_users: f"{metrics.unique_users:,}",
        labels.unique_sessions: f"{metrics.unique_sessions:,}",
        labels.average_duration: f"{metrics.avg_duration_ms:,}ms",
    }
    total = metrics.total_events
    yield RULE
    yield f"📊 {labels.title}"
    yield RULE
    yield f"⏰ {labels.window}: {period(metrics)}{marks(metrics)}"
    yield ""
    yield f"📈 {labels.overview}:"
    yield from (f"   {_padded(label + ':', labels.overview_cells)}{value}" for label, value in overview.items())
    yield ""
    yield f"🔹 {labels.event_types}:"
    yield from _table(metrics.event_types, total, _SHORT_NAME)
    yield ""
    yield f"📱 {labels.devices}:"
    yield from _table(metrics.devices, total, _SHORT_NAME)
    yield ""
    yield f"🔗 {labels.top_referrers}:"
    yield from _table(metrics.top_referrers, total, _REFERRER)
    yield ""
    yield f"📄 {labels.top_pages}:"
    yield from _table(metrics.top_pages, total, _PAGE)
    yield RULE


def _table(counts: Mapping[str, int], total: int, width: int) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        share = 100 * count / total if total else 0.0
        yield f"   {_padded(printable(name), width)} {count:>6,} ({share:5.1f}%)"


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - cell_len(text))
