"""An orderly stop on Ctrl+C, SIGTERM or a closed terminal (SIGHUP).

During preparations (`with signals.interrupting()`) a signal interrupts the running code with the exception Interrupted,
which runs all clean-up on its way. At all other times a signal only sets `requested`. So the clean-up can't be
interrupted, however often Ctrl+C is pressed.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

from clickstream_core.shutdown import StopRequest


class Interrupted(BaseException):
    """The user wants to stop. Not an Exception, so that no handler of failures catches it."""


class StopSignals:
    """Handles the three signals while its with block runs; must be entered in the main thread."""

    def __init__(self) -> None:
        self.requested = StopRequest()
        self._interrupts = False

    def __enter__(self) -> Self:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # not under nohup
            numbers.append(signal.SIGHUP)
        self._previous = [(number, signal.signal(number, self._handle)) for number in numbers]
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous:
            signal.signal(number, handler)
        self.requested.close()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal raise Interrupted in this block; an earlier one raises it immediately."""
        self._interrupts = True
        try:
            if self.requested.is_set():
                raise Interrupted
            yield
        finally:
            self._interrupts = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()
        if self._interrupts:
            self._interrupts = False  # the clean-up that follows must not be interrupted too
            raise Interrupted
