"""Waiting for something that operators should know of, in asyncio."""

import asyncio
import logging

from clickstream_core.service import Health

_PAUSE = 1.0
_SAY_AGAIN = 30.0

_log = logging.getLogger(__name__)


class Patience:
    """Says why something is waited for: at once, when the reason changes, and every 30 s."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._said = ""
        self._said_at = 0.0

    async def wait(self, why: str) -> None:
        """Log the reason when it is news, and pause."""
        now = asyncio.get_running_loop().time()
        if why != self._said or now - self._said_at >= _SAY_AGAIN:
            self._said, self._said_at = why, now
            _log.warning(why)
        self._health.set_ready(False, why)
        self._health.beat()
        await asyncio.sleep(_PAUSE)
