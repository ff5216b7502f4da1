"""Ctrl+C, SIGTERM and the closing of the terminal (SIGHUP), turned into an orderly end.

While something is being prepared (`with signals.interrupting()`), a signal breaks off whatever runs, by the exception
Interrupted, which passes through everything that cleans up. At all other times a signal is only noted in `requested`:
so the stopping itself cannot be broken off, however often Ctrl+C is pressed.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from clickstream_core.shutdown import StopRequest


class Interrupted(BaseException):
    """The user wants it to end. Not an Exception: nothing that handles failures may catch it."""


class StopSignals:
    """Handles the three signals while its with block runs; to be entered in the main thread."""

    def __init__(self) -> None:
        self.requested = StopRequest()
        self._breaks_off = False

    def __enter__(self) -> Self:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to live on
            numbers.append(signal.SIGHUP)
        self._previous = [(number, signal.signal(number, self._handle)) for number in numbers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous:
            signal.signal(number, handler)
        self.requested.close()

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal raise Interrupted in this block; one that came before raises it at once."""
        self._breaks_off = True
        try:
            if self.requested.is_set():
                raise Interrupted
            yield
        finally:
            self._breaks_off = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()
        if self._breaks_off:
            self._breaks_off = False  # the cleaning up that follows must not be broken off in its turn
            raise Interrupted
