"""Progress for the user: steps with the elapsed time, and the current wait."""

import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

_WAITING_EVERY_S = 15


class Clock:
    """The time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Progress:
    """One line for each step. A wait is a live line in a terminal, and a line every 15 seconds in a log."""

    def __init__(self, clock: Clock, out: TextIO | None = None) -> None:
        self._clock = clock
        self._out = out or sys.stdout
        self._said = 0.0
        self._shown = False

    def say(self, text: str) -> None:
        """Print a step with the elapsed time."""
        self.print(f"{self._clock.elapsed():4.0f}s  {text}")

    def detail(self, text: str) -> None:
        """Print a detail of the line above."""
        self.print(f"       {text}")

    def print(self, text: str) -> None:
        """Print any text, after clearing the live line. A pipe whose reader has gone (`| head`) is a Ctrl+C."""
        self.clear()
        try:
            print(text, file=self._out, flush=True)
        except BrokenPipeError:
            with Path(os.devnull).open("w") as null:  # what is left in the buffer would fail again
                os.dup2(null.fileno(), self._out.fileno())
            raise KeyboardInterrupt from None

    def looks(self, limit_s: float = math.inf, every_s: float = 1) -> Iterator[float]:
        """Yield before each look the seconds waited so far, for the last time when the time is over.

        A log does not mention a wait for the first 15 seconds.
        """
        began = self._said = self._clock.elapsed()
        try:
            while True:
                waited = self._clock.elapsed() - began
                yield waited
                if waited >= limit_s:
                    return
                self._clock.sleep(every_s)
        finally:
            self.clear()

    def waiting(self, text: str) -> None:
        """Show the current wait; may be called at every look."""
        if self._out.isatty():
            line = f"{self._clock.elapsed():4.0f}s  {text}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{line}", end="", file=self._out, flush=True)
            self._shown = True
        elif self._clock.elapsed() - self._said >= _WAITING_EVERY_S:
            self._said = self._clock.elapsed()
            self.say(text)

    def clear(self) -> None:
        """Remove the live line."""
        if self._shown:
            print("\r\x1b[K", end="", file=self._out, flush=True)
            self._shown = False
