"""A request to stop, made by SIGTERM (Kubernetes, systemd) or SIGINT (Ctrl+C).

The handlers only record the request. The app's loop checks it once in each turn and waits on it instead of sleeping, so
it ends between two steps, never inside one. `threading.Event` can't be used for this: its `set` takes a lock that the
main thread may hold in `wait` when the handler interrupts it, which is a deadlock. A byte in a pipe needs no lock, and
because it is never read, it wakes every waiter in every thread. A loop that is stuck in a library never checks, so a
thread waits for the request too, and then for the app to stop; if that takes too long, it ends the process.
"""

import logging
import os
import select
import signal
import threading
from types import FrameType
from typing import Self

from clickstream_core.logs import discard_stdout

SHUTDOWN_GRACE_S = 9.8  # from the request to the forced end; an app promises 10

_LAST_LOG_TIMEOUT_S = 0.1
"""For the last line in the log: a standard error that blocks must not keep the process alive."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


class StopRequest:
    """A flag that is set once, from any thread or signal handler, and can be waited for."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._is_set = False

    def is_set(self) -> bool:
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
        """Close the pipe; neither `wait` nor `set` may be called afterwards."""
        os.close(self._reader)
        os.close(self._writer)


class Shutdown:
    """Turns SIGTERM and SIGINT into `requested`; to be created in the main thread, before the app's loop.

    As a context manager it restores the previous handlers at the end. If the app has not stopped `grace_s` after the
    request, the process ends by force, with status 1.
    """

    def __init__(self, grace_s: float = SHUTDOWN_GRACE_S) -> None:
        self.requested = StopRequest()
        self._over = threading.Event()
        self._guard = threading.Thread(target=self._end_in_time, args=(grace_s,), name="shutdown", daemon=True)
        self._guard.start()
        self._previous = [(number, signal.signal(number, self._handle)) for number in _SIGNALS]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous:
            signal.signal(number, handler)
        self._over.set()
        self.requested.set()  # wakes the guard
        self._guard.join()
        self.requested.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()

    def _end_in_time(self, grace_s: float) -> None:
        self.requested.wait()
        if self._over.wait(grace_s):
            return
        logging_the_end = threading.Thread(target=_log_forced_end, args=(grace_s,), daemon=True)
        logging_the_end.start()
        logging_the_end.join(_LAST_LOG_TIMEOUT_S)
        os._exit(1)


def _log_forced_end(grace_s: float) -> None:
    _log.error("Did not stop within %g s of the request; ending by force", grace_s)
    discard_stdout()
