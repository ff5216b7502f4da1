"""The page's data: a thread that reads the whole metrics topic into the history, which updates the open browsers.

It has a connection of its own (`whole_topic`), so it neither delays the consumer's loop nor changes its readiness.
After a start it is the first to know the newest window, which the consumer group read long ago, and passes that on.
"""

import logging
import threading
from collections.abc import Callable
from typing import Protocol, Self

from clickstream_consumer.results import WindowResult
from clickstream_consumer.status import Status
from clickstream_consumer.updates import Updates

_log = logging.getLogger(__name__)
_STOP_S = 4.0


class Reader(Protocol):
    """What the feed needs of a `MetricsReader`."""

    status: Status

    def poll(self) -> list[WindowResult]: ...
    def close(self) -> None: ...


class Feed:
    """Reads until its `with` block ends; `stopped` and `wait` are those of the process's stop request.

    `caught_up` is called once, in the feed's thread, with the newest window's result when the topic has been read to
    the end that it had at the start; it is not called when there was no result.
    """

    def __init__(
        self,
        reader: Reader,
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
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="page-feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._ending and not self._stopped():
            try:
                self._turn()
            except Exception:
                # A passing fault must end neither the dashboard nor the page's updates.
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
            self._pass_on_newest()
        self._updates.status(status.condition.name.lower())

    def _pass_on_newest(self) -> None:
        newest, self._newest, self._complete = self._newest, None, True
        if newest is not None:
            self._caught_up(newest)


def _rank(result: WindowResult) -> tuple[int, int]:
    """Order results: a later window, or a later revision of the same window, ranks higher."""
    return result.end, result.metrics.revision
