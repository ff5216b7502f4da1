"""Waiting in asyncio for something that an operator may have to fix."""

import asyncio
import logging

from clickstream_core.log_throttle import LogThrottle
from clickstream_core.service import Health

_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


class Patience:
    """Waits between attempts; each reason for waiting is logged once in 30 s."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._throttle = LogThrottle()

    async def wait(self, why: str) -> None:
        """Log the reason, unless it was logged lately, report it in /readyz, and pause for a second."""
        if self._throttle.allow(why, asyncio.get_running_loop().time()):
            _log.warning(why)
        self._health.set_ready(False, why)
        self._health.beat()
        await asyncio.sleep(_PAUSE_S)
