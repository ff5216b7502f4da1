"""The content of the live view: which windows, and which lines for a given height.

A window keeps only its newest revision, so results that are read again after a rebalance change nothing. The newest
windows are kept, up to a fixed number.
"""

from clickstream_consumer import dashboard
from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Status


class Windows:
    """The newest windows' results, one per window."""

    def __init__(self, kept: int = 100) -> None:
        self._kept = kept
        self._results: dict[tuple[int, int], WindowResult] = {}

    def add(self, result: WindowResult) -> None:
        """Keep `result` unless its window has a later revision."""
        window = (result.end, result.start)
        known = self._results.get(window)
        if known is not None and known.metrics.revision > result.metrics.revision:
            return
        self._results[window] = result
        if len(self._results) > self._kept:
            del self._results[min(self._results)]

    def newest_first(self) -> list[WindowResult]:
        return [self._results[window] for window in sorted(self._results, reverse=True)]


def dashboard_lines(
    results: list[WindowResult], labels: Labels, height: int, *, receipts: bool = False
) -> list[str] | None:
    """Return the first result's block and one line for each of the others, as many as fit into `height` lines.

    None means that the block alone is higher than `height`.
    """
    newest, *earlier = results
    lines = [*dashboard.block(newest.metrics, labels).split("\n"), *dashboard.below(newest, receipts=receipts)]
    if len(lines) > height:
        return None
    rows = height - len(lines) - 2
    if earlier and rows > 0:
        lines += ["", f"🕘 {labels.earlier}:", *(_row(result, labels) for result in earlier[:rows])]
    return lines


def status_line(status: Status, labels: Labels, seconds: float, *, waiting: bool) -> str:
    """Return the last line of the screen: why no results arrive, or how many `seconds` ago the last one arrived.

    `waiting` means that none has arrived since the start, which was `seconds` ago.
    """
    age = _age(int(seconds))
    if not status.ready:
        return f"⚠️ {dashboard.printable(status.why)}"
    return f"⏱️ {labels.waiting} ({age})" if waiting else f"⏱️ {labels.last_result.format(age=age)}"


def _row(result: WindowResult, labels: Labels) -> str:
    metrics = result.metrics
    counts = f"{metrics.total_events:>9,} {labels.events} {metrics.unique_users:>8,} {labels.users}"
    return f"   {dashboard.period(metrics)} {counts}{dashboard.marks(metrics)}"


def _age(seconds: int) -> str:
    return f"{seconds}s" if seconds < 60 else f"{seconds // 60}m {seconds % 60:02}s"
