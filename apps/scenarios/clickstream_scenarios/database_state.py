"""Whether the database answers, for log and metrics: one line when it goes away, one when it is back."""

import logging
import threading

from clickstream_scenarios.database import DatabaseAway
from clickstream_scenarios.store_instruments import DATABASE_UP

_log = logging.getLogger(__name__)


class DatabaseState:
    """What was seen last; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.why_away = ""

    def away(self, error: DatabaseAway) -> None:
        """Record a failure."""
        with self._lock:
            if not self.why_away:
                _log.warning("%s; the last known scenarios and members hold", error)
            self.why_away = str(error)
            DATABASE_UP.set(0)

    def here(self) -> None:
        """Record an answer."""
        with self._lock:
            if self.why_away:
                _log.warning("the database answers again")
            self.why_away = ""
            DATABASE_UP.set(1)
