"""The dashboard in a terminal: the newest window, redrawn in place, and as many earlier windows below it as fit.

The block is the text of `dashboard.block`, cut at the right edge of a narrower terminal. In a terminal that is too low
for the block (80x24 is), each new result scrolls up as a whole block, and only the status line below is redrawn.

Other output on standard output or error appears above the redrawn part: rich redirects both streams, and log handlers
that hold the original stream are moved to the redirected one.
"""

import io
import logging
import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from clickstream_consumer import dashboard
from clickstream_consumer.labels import Labels
from clickstream_consumer.results import WindowResult
from clickstream_consumer.screen import Windows, dashboard_lines, status_line
from clickstream_consumer.status import Status

_HEADINGS = "📊📈🔹📱🔗📄🕘"
_ASIDES = "⏱📍🧾="
_WARNINGS = "⚠"


def terminal(output: TextIO) -> Console:
    """Return a console on the terminal `output` that shows text as it is: no markup, no highlighting, no emoji codes.

    A character that the terminal's encoding does not have is shown as `?`.
    """
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors="replace")
    return Console(file=output, force_terminal=True, markup=False, highlight=False, emoji=False)


class LiveView:
    """Redraws the newest results on `console`, with their `receipts` if wanted; `clock` gives monotonic seconds."""

    def __init__(
        self,
        console: Console,
        labels: Labels,
        clock: Callable[[], float] = time.monotonic,
        *,
        receipts: bool = False,
    ) -> None:
        self._console = console
        self._receipts = receipts
        self._labels = labels
        self._clock = clock
        self._windows = Windows()
        self._since = clock()
        self._scrolled: WindowResult | None = None
        self._size = console.size
        self._live = self._new_live()

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update(self._text(self._body()))
        self._stop()

    def show(self, result: WindowResult) -> None:
        self._windows.add(result)
        self._since = self._clock()

    def refresh(self, status: Status) -> None:
        """Redraw for the terminal's current size."""
        if self._console.size != self._size:
            self._restart()
        body = self._body()
        waiting = not self._windows.newest_first()
        seconds = self._clock() - self._since
        self._live.update(
            self._text([*body, status_line(status, self._labels, seconds, waiting=waiting)]), refresh=True
        )

    def _body(self) -> list[str]:
        results = self._windows.newest_first()
        if not results:
            return []
        # One line is for the status and one stays free: a terminal scrolls when its last line is full.
        lines = dashboard_lines(results, self._labels, self._size.height - 2, receipts=self._receipts)
        if lines is None:
            self._scroll(results[0])
            return []
        self._scrolled = None
        return lines

    def _scroll(self, newest: WindowResult) -> None:
        if newest is not self._scrolled:
            self._scrolled = newest
            block = dashboard.block(newest.metrics, self._labels).split("\n")
            lines = [*block, *dashboard.below(newest, receipts=self._receipts), ""]
            self._console.print(self._text(lines))

    def _restart(self) -> None:
        # The terminal has wrapped or moved the old frame; its position is unknown.
        self._live.update("")
        self._stop()
        if self._scrolled is None:
            self._console.clear()
        self._size = self._console.size
        self._live = self._new_live()
        self._start()

    def _text(self, lines: list[str]) -> Text:
        text = Text(no_wrap=True, overflow="ellipsis")
        for number, line in enumerate(lines):
            text.append("\n" if number else "")
            text.append(line[: self._size.width] if line == dashboard.RULE else line, style=_style(line))
        return text

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())

    def _start(self) -> None:
        earlier = sys.stderr
        self._live.start()
        _move_log_handlers(earlier, sys.stderr)

    def _stop(self) -> None:
        redirected = sys.stderr
        self._live.stop()
        _move_log_handlers(redirected, sys.stderr)


def _style(line: str) -> str:
    if line[:1] in _HEADINGS:
        return "bold"
    if line[:1] in _WARNINGS:
        return "yellow"
    return "dim" if line[:1] in _ASIDES else ""


def _move_log_handlers(earlier: TextIO, now: TextIO) -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is earlier:
            handler.setStream(now)
