"""The dashboard block: a window's metrics as text.

Widths are counted in terminal cells, so that columns are aligned also in scripts whose characters take two cells. Names
come from the internet, so each unprintable character, such as an escape or a text direction override, is shown as its
code, `\\x1b`, and can't affect the reader's terminal. Nothing is cut off.
"""

from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_core.receipts import decode_receipt
from clickstream_core.window_metrics import WindowMetrics

RULE = "=" * 80
_SHORT_NAME_CELLS, _REFERRER_CELLS, _PAGE_CELLS = 15, 20, 30


def block(metrics: WindowMetrics, labels: Labels) -> str:
    """Return the block for one window, from rule to rule, without a final newline."""
    return "\n".join(_lines(metrics, labels))


def position(result: WindowResult) -> str:
    """Return the line below the block: the result's position in the metrics topic."""
    return f"📍 Partition: {result.partition} | Offset: {result.offset} | Total consumed: {result.consumed}"


def below(result: WindowResult, *, receipts: bool = False) -> list[str]:
    """Return all lines below the block: the position, and the result's receipt if wanted."""
    return [position(result), *_receipt(result.receipt)] if receipts else [position(result)]


def period(metrics: WindowMetrics) -> str:
    return f"{printable(metrics.window_start)} → {printable(metrics.window_end)}"


def marks(metrics: WindowMetrics) -> str:
    """Return the notes on the numbers: that they were revised, that they are approximate, or nothing."""
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


def _receipt(receipt: bytes | None) -> Iterator[str]:
    if receipt is None:
        yield "🧾 No receipt"
        return
    for partition, each in decode_receipt(receipt).items():
        offsets = f"offsets {each.first} to {each.last}, {each.counted:,} counted"
        yield f"🧾 Partition {partition}: {offsets}, {_refused(each.refused)} refused"


def _refused(counts: Mapping[str, int] | None) -> str:
    if counts is None:
        return "an unknown number"
    return ", ".join(f"{count:,} {printable(reason)}" for reason, count in counts.items()) or "none"


def _lines(metrics: WindowMetrics, labels: Labels) -> Iterator[str]:
    overview = {
        labels.total_events: f"{metrics.total_events:,}",
        labels.unique_users: f"{metrics.unique_users:,}",
        labels.unique_sessions: f"{metrics.unique_sessions:,}",
        labels.average_duration: f"{metrics.avg_duration_ms:,}ms",
    }
    tables = (
        (f"🔹 {labels.event_types}", metrics.event_types, _SHORT_NAME_CELLS),
        (f"📱 {labels.devices}", metrics.devices, _SHORT_NAME_CELLS),
        (f"🔗 {labels.top_referrers}", metrics.top_referrers, _REFERRER_CELLS),
        (f"📄 {labels.top_pages}", metrics.top_pages, _PAGE_CELLS),
    )
    yield RULE
    yield f"📊 {labels.title}"
    yield RULE
    yield f"⏰ {labels.window}: {period(metrics)}{marks(metrics)}"
    yield ""
    yield f"📈 {labels.overview}:"
    yield from (f"   {_padded(label + ':', labels.overview_cells)}{value}" for label, value in overview.items())
    for heading, counts, cells in tables:
        yield ""
        yield f"{heading}:"
        yield from _table(counts, metrics.total_events, cells)
    yield RULE


def _table(counts: Mapping[str, int], total: int, cells: int) -> Iterator[str]:
    for name, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        share = 100 * count / total if total else 0.0
        yield f"   {_padded(printable(name), cells)} {count:>6,} ({share:5.1f}%)"


def _padded(text: str, cells: int) -> str:
    return text + " " * (cells - cell_len(text))
