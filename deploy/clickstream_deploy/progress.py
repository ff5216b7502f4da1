"""What the user reads: steps with the elapsed time, and what is waited for."""

import shutil
import sys
import time
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
        """Wait."""
        time.sleep(seconds)


class Progress:
    """One line a step. What is waited for is a live line in a terminal, and in a log a line every 15 seconds."""

    def __init__(self, clock: Clock, out: TextIO | None = None) -> None:
        self._clock = clock
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._said = 0.0
        self._shown = False

    def say(self, text: str) -> None:
        """A step, and when it happened."""
        self.print(f"{self._clock.elapsed():4.0f}s  {text}")

    def detail(self, text: str) -> None:
        """What belongs to the line above."""
        self.print(f"       {text}")

    def print(self, text: str) -> None:
        """Any text, after the live line is cleared."""
        self.clear()
        print(text, file=self._out, flush=True)

    def begin_wait(self) -> None:
        """A wait begins: it is not spoken of in a log for the first 15 seconds."""
        self._said = self._clock.elapsed()

    def waiting(self, text: str) -> None:
        """What is waited for now; may be called as often as one looks."""
        if self._live:
            width = shutil.get_terminal_size().columns
            line = f"{self._clock.elapsed():4.0f}s  {text}"[: width - 1]
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


def indented(text: str) -> str:
    """The lines, as details."""
    return "\n".join(f"       {line}" for line in text.rstrip("\n").splitlines())
