"""What fills the page: a thread that reads the whole metrics topic into the history and tells the open browsers.

It has a connection of its own (`whole_topic`), so it stands beside the consumer's loop and neither holds it up nor
changes its readiness: a page without news says so itself. It is also the first to know the newest window after a start,
which the consumer group has read long ago: once it has caught up, it hands that on.
"""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Status
from clickstream_consumer.updates import Updates

_log = logging.getLogger(__name__)
_STOP_S = 4.0


class Reads(Protocol):
    """What the feed needs of a `MetricsReader`."""

    status: Status

    def poll(self) -> list[WindowResult]: ...
    def close(self) -> None: ...


class Feed:
    """Reads until its `with` block ends; `stopped` and `wait` are those of the process's stop request.

    `caught_up` is called once, in the feed's thread, with the newest window's result when the topic has been read to
    the end that it had at the start; not when there was none.
    """

    def __init__(
        self,
        reader: Reads,
        updates: Updates,
        stopped: Callable[[], bool],
        wait: Callable[[float], object],
        caught_up: Callable[[WindowResult], None] = lambda newest: None,
    ) -> None:
        self._reader = reader
        self._updates = updates
        self._stopped = stopped
        self._wait = wait
        self._caught_up = caught_up
        self._complete = False
        self._newest: WindowResult | None = None
        self._leaving = False
        self._thread = threading.Thread(target=self._run, name="page-feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leaving = True
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._leaving and not self._stopped():
            try:
                self._turn()
            except Exception:
                # The page must not take the dashboard with it, nor stay without news for a passing fault.
                _log.exception("Reading for the page failed; trying again")
                self._wait(1.0)
        self._reader.close()

    def _turn(self) -> None:
        for result in self._reader.poll():
            self._updates.history.add(result)
            if not self._complete and (self._newest is None or _rank(result) >= _rank(self._newest)):
                self._newest = result
        status = self._reader.status
        if status.ready:
            self._updates.history_is_complete()
            self._hand_on_newest()
        self._updates.status(status.condition.name.lower())

    def _hand_on_newest(self) -> None:
        newest, self._newest, self._complete = self._newest, None, True
        if newest is not None:
            self._caught_up(newest)


def _rank(result: WindowResult) -> tuple[int, int]:
    """By which the newest result is found: a later window, or a later revision of the same one, ranks higher."""
    return result.end, result.metrics.revision
