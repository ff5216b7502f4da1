"""What the loop in `main` needs of a view, the plain view, and which view suits standard output."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TextIO

import msgspec

from clickstream_consumer import dashboard
from clickstream_consumer.labels import Labels
from clickstream_consumer.live import LiveView, terminal
from clickstream_consumer.results import WindowResult
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.status import Status
from clickstream_core.logs import announce


class View(Protocol):
    """Shows results."""

    def show(self, result: WindowResult) -> None:
        """Take a result; it is on the screen after the next `refresh` at the latest."""

    def refresh(self, status: Status) -> None:
        """Bring the screen up to date; called in each turn of the loop, at least twice a second."""


class PlainView:
    """Prints blocks one after another: for `kubectl logs`, and in a terminal with `--plain`.

    Each result is one announcement: in JSON format one object a line, with the block as its message and the numbers as
    fields for log collectors. With `receipts` it has the result's receipt too.
    """

    def __init__(self, labels: Labels, *, receipts: bool = False) -> None:
        self._labels = labels
        self._receipts = receipts
        self._announced_waiting = False

    def show(self, result: WindowResult) -> None:
        receipt = {"receipt": result.receipt and msgspec.json.decode(result.receipt)} if self._receipts else {}
        announce(
            "\n".join(
                [dashboard.block(result.metrics, self._labels), *dashboard.below(result, receipts=self._receipts)]
            ),
            window=result.metrics.window_start,
            partition=result.partition,
            offset=result.offset,
            metrics=msgspec.to_builtins(result.metrics),
            **receipt,
        )

    def refresh(self, status: Status) -> None:
        """Announce, once, that the consumer is ready and waiting."""
        if status.ready and not self._announced_waiting:
            self._announced_waiting = True
            announce(f"⏱️ {self._labels.waiting}")


def view_for(settings: ConsumerSettings, labels: Labels, output: TextIO) -> AbstractContextManager[View]:
    """Return the live view for a terminal that can move its cursor, otherwise the plain one."""
    live = output.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    if live and not settings.plain and settings.service.log_format == "text":
        return LiveView(terminal(output), labels, receipts=settings.receipts)
    return nullcontext(PlainView(labels, receipts=settings.receipts))
