"""The launcher's own output: lines that stay, and one line of progress, rewritten in place in a terminal."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

_LINE_INTERVAL_S = 5.0


class Screen:
    """Writes to `out`. If that is not a terminal, progress is at most one line every five seconds."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._progress_shown = False
        self._next_line_at = 0.0

    def line(self, text: str) -> None:
        """Print a line; it replaces the line of progress."""
        self._write(("\r\x1b[K" if self._progress_shown else "") + text + "\n")
        self._progress_shown = False

    def progress(self, text: str) -> None:
        if self._out.isatty():
            self._write(f"\r\x1b[K{text} …")
            self._progress_shown = True
        elif self._clock() >= self._next_line_at:
            self._write(f"{text} …\n")
            self._next_line_at = self._clock() + _LINE_INTERVAL_S

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        try:
            self._out.write(text.encode(encoding, "replace").decode(encoding))
            self._out.flush()
        except OSError:
            # The terminal is closed, or a pipe's reader has gone. That must not keep us from stopping everything. (What
            # is left in the buffer would fail again at exit.)
            with Path(os.devnull).open("w") as null:
                os.dup2(null.fileno(), self._out.fileno())
