"""Blocks printed one after another: for `kubectl logs`, and in a terminal with `--plain`.

Each result is one announcement: in JSON format one object a line, with the block as its message and the numbers as
fields for log collectors.
"""

import msgspec

from clickstream_consumer import dashboard
from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Status
from clickstream_core.logs import announce


class PlainView:
    """Prints each result as it arrives."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._announced_waiting = False

    def show(self, result: WindowResult) -> None:
        """Print the block and its position in the topic."""
        announce(
            f"{dashboard.block(result.metrics, self._labels)}\n{dashboard.position(result)}",
            window=result.metrics.window_start,
            partition=result.partition,
            offset=result.offset,
            metrics=msgspec.to_builtins(result.metrics),
        )

    def refresh(self, status: Status) -> None:
        """Announce, once, that the consumer is ready and waiting."""
        if status.ready and not self._announced_waiting:
            self._announced_waiting = True
            announce(f"⏱️ {self._labels.waiting}")
