"""Blocks printed one after another: what `kubectl logs` shows, and what a terminal shows with `--plain`.

Each result is one announcement: in JSON format one object a line, with the block as its message and the numbers as
fields, so that a log collector can work with them.
"""

from typing import Self

import msgspec

from clickstream_consumer import dashboard
from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Status
from clickstream_core.logs import announce


class PlainView:
    """Prints each result as it comes."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._said_waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, result: WindowResult) -> None:
        """Print the block and where it came from."""
        announce(
            f"{dashboard.block(result.metrics, self._labels)}\n{dashboard.position(result)}",
            window=result.metrics.window_start,
            partition=result.partition,
            offset=result.offset,
            metrics=msgspec.to_builtins(result.metrics),
        )

    def refresh(self, status: Status) -> None:
        """Say, once, that the consumer is ready and waits."""
        if status.ready and not self._said_waiting:
            self._said_waiting = True
            announce(f"⏱️ {self._labels.waiting}")
