"""A request to stop, as SIGTERM (Kubernetes, systemd) and SIGINT (Ctrl+C) make it.

The handlers only note the request; the app's loop looks at it once a turn and waits on it instead of sleeping, so it
ends between two steps, never inside one. `threading.Event` cannot be that note: its `set` takes a lock which the main
thread may hold in `wait` at the very moment the handler interrupts it, and then both wait for ever. A byte in a pipe
takes no lock, and as nobody reads it back, it wakes every waiter of every thread.

A loop that is caught in a library never looks. So a thread waits for the request as well, and for the end of what was
asked to stop; when that does not come in time, it ends the process.
"""

import logging
import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from clickstream_core.logs import give_up_output

LONGEST_STOP = 9.8
"""Seconds from the request to the end; an app promises 10."""

_LAST_WORDS = 0.1
"""Seconds for a last line in the log: who does not take it must not hold the process."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class StopRequest:
    """A flag that is set once, from any thread or signal handler, and can be waited for."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._is_set = False

    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._is_set

    def set(self) -> None:
        """Request the stop; further requests change nothing."""
        if not self._is_set:
            self._is_set = True
            os.write(self._writer, b"!")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds (None: without limit) for the request; return whether it was made."""
        if not self._is_set:
            poll = select.poll()
            poll.register(self._reader, select.POLLIN)
            poll.poll(None if timeout is None else max(0.0, timeout) * 1000)
        return self._is_set

    def close(self) -> None:
        """Give the pipe back; the request must not be waited for or made afterwards."""
        os.close(self._reader)
        os.close(self._writer)


class Shutdown:
    """Turns SIGTERM and SIGINT into `requested`; to be created in the main thread, before the app's loop.

    As a context manager it puts the earlier handlers back at the end. When the end takes longer than `longest` seconds
    after the request, the process ends by force, with status 1.
    """

    def __init__(self, longest: float = LONGEST_STOP) -> None:
        self.requested = StopRequest()
        self._over = threading.Event()
        self._guard = threading.Thread(target=self._end_in_time, args=(longest,), name="shutdown", daemon=True)
        self._guard.start()
        self._previous = [(number, signal.signal(number, self._handle)) for number in _SIGNALS]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous:
            signal.signal(number, handler)
        self._over.set()
        self.requested.set()  # wakes the guard
        self._guard.join()
        self.requested.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()

    def _end_in_time(self, longest: float) -> None:
        self.requested.wait()
        if self._over.wait(longest):
            return
        words = threading.Thread(target=_say_last_words, args=(longest,), daemon=True)
        words.start()
        words.join(_LAST_WORDS)
        os._exit(1)


def _say_last_words(longest: float) -> None:
    _log.error("Did not come to its end within %g s of the request to stop; ended by force", longest)
    give_up_output()
