"""What the loop in `main` needs of a view, and which view suits standard output."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TextIO

from clickstream_consumer.labels import Labels
from clickstream_consumer.live import LiveView, terminal
from clickstream_consumer.plain import PlainView
from clickstream_consumer.results import WindowResult
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.status import Status


class View(Protocol):
    """Shows results."""

    def show(self, result: WindowResult) -> None:
        """Take a result; it is on the screen after the next `refresh` at the latest."""

    def refresh(self, status: Status) -> None:
        """Bring the screen up to date; called in each turn of the loop, at least twice a second."""


def view_for(settings: ConsumerSettings, labels: Labels, output: TextIO) -> AbstractContextManager[View]:
    """Return the live view for a terminal that can move its cursor, otherwise the plain one."""
    live = output.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    if live and not settings.plain and settings.service.log_format == "text":
        return LiveView(terminal(output), labels)
    return nullcontext(PlainView(labels))
