"""What the launcher itself says: lines that stay, and one line of progress that is rewritten in a terminal."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

_SECONDS_BETWEEN_LINES = 5.0


class Screen:
    """Writes to `out`. Where that is no terminal, progress becomes a line every five seconds at most."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._progress_shown = False
        self._next_line_at = 0.0

    def line(self, text: str) -> None:
        """Print a line, in the place of a progress line."""
        self._write(("\r\x1b[K" if self._progress_shown else "") + text + "\n")
        self._progress_shown = False

    def progress(self, text: str) -> None:
        """Show how far something has come."""
        if self._out.isatty():
            self._write(f"\r\x1b[K{text} …")
            self._progress_shown = True
        elif self._clock() >= self._next_line_at:
            self._write(f"{text} …\n")
            self._next_line_at = self._clock() + _SECONDS_BETWEEN_LINES

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        try:
            self._out.write(text.encode(encoding, "replace").decode(encoding))
            self._out.flush()
        except OSError:
            # The terminal was closed, or the reader of a pipe has ended. What is left to do, the stopping, must not
            # fail for it, and nobody is left to be told. (What is still in the buffer would fail again at the exit.)
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), self._out.fileno())
