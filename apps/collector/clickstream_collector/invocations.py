"""One request after the other, as AWS Lambda brings them: the application behind API Gateway, and its frozen time.

Lambda gives an execution environment one request at a time and freezes the process in between, for milliseconds or an
hour. The event loop runs only while a request is answered, so nothing of the application moves between two: neither
the tasks that talk to Kafka nor, in `HaltingLoop`, the time that they measure. A timeout of ten seconds means ten
seconds in which an answer could have been received, and an event that waits for Kafka while the process is frozen does
not count as stuck. What is true in the world outside meanwhile is that connections die: brokers and load balancers
close those that say nothing for minutes. After `TRUSTED` seconds without a request the connection is made anew before
it is used.

Elsewhere a request that finds Kafka away is refused at once, and Kafka is looked for meanwhile. Here there is no
meanwhile: a request has to wait, up to the bound of its answer, or Kafka would never be found again.
"""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from mangum import Mangum
from starlette.types import ASGIApp, Receive, Scope, Send

from clickstream_collector.application import Collector
from clickstream_collector.intake import LONGEST_WAIT
from clickstream_collector.settings import CollectorSettings
from clickstream_core.logs import announce

TRUSTED = 180.0
"""Seconds without a request after which a connection is not trusted; NAT gateways and load balancers drop at 350."""

_LONGEST_CONNECT = 2.0
_LONGEST_DRAIN = 0.3  # of the 0.5 s that Lambda leaves a function with an extension
_PATIENCE = LONGEST_WAIT - 0.2

_log = logging.getLogger(__name__)


class HaltingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while it does not run; `clock` gives seconds that only rise."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._halted_at: float | None = clock()
        self._halted_for = 0.0
        super().__init__()

    def time(self) -> float:
        """Return the seconds that the loop has run, from an arbitrary beginning."""
        now = self._clock() if self._halted_at is None else self._halted_at
        return now - self._halted_for

    def run_forever(self) -> None:
        """Run until stopped; every way to run the loop leads through here."""
        if self._halted_at is not None:
            self._halted_for += self._clock() - self._halted_at
            self._halted_at = None
        try:
            super().run_forever()
        finally:
            self._halted_at = self._clock()


class Invocations:
    """Answers API Gateway's events, one at a time: the function that the Lambda runtime calls.

    It sets the thread's event loop, which is the one that Mangum runs each request on. `wall_clock` gives seconds since
    the epoch; unlike a clock that only rises it is known to go on while Lambda has frozen the process.
    """

    def __init__(self, settings: CollectorSettings, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._answered_at = wall_clock()
        self._busy = threading.Lock()
        self._loop = HaltingLoop()
        asyncio.set_event_loop(self._loop)
        self._collector = Collector(settings, self._loop.time, _PATIENCE)
        # Mangum's lifespan would start and stop the collector with each request.
        self._gateway = Mangum(_Prefixed(self._collector.application()), lifespan="off")

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request: payload format 2.0 of an HTTP API, or of a function URL."""
        with self._busy:
            if self._wall_clock() - self._answered_at > TRUSTED:
                self._collector.renew()
            try:
                return self._gateway(event, context)
            finally:
                self._answered_at = self._wall_clock()

    def connect(self) -> None:
        """Connect to Kafka while Lambda starts the environment; what takes longer goes on with the first request."""
        if not self._loop.run_until_complete(self._connect()):
            _log.warning(
                "Kafka was not reached within %g s: check KAFKA_BOOTSTRAP_SERVERS, and the function's subnets and"
                " security groups; requests get 503 until it is",
                _LONGEST_CONNECT,
            )

    def close(self, longest: float = _LONGEST_DRAIN) -> None:
        """Deliver what is on its way, in at most `longest` seconds, and close the loop."""
        self._loop.run_until_complete(self._collector.stop(longest))
        self._loop.close()
        asyncio.set_event_loop(None)

    def close_at_sigterm(self) -> None:
        """Close and end the process at SIGTERM, which Lambda sends when the function has an extension.

        The runtime waits for requests inside of libcurl, where Python's signal handlers do not run. So a thread waits
        for the signal; it has the loop to itself as soon as the request that is being answered has been.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=self._wait_for_sigterm, name="sigterm", daemon=True).start()

    async def _connect(self) -> bool:
        self._collector.start()
        return await self._collector.reach(_LONGEST_CONNECT)

    def _wait_for_sigterm(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self._busy.acquire()  # for good: no request is begun any more
        self.close()
        announce("Stopped")
        os._exit(0)  # the main thread waits for a request that never comes


class _Prefixed:
    """The application below whatever path leads to it: an HTTP API's paths begin with the stage, unless it is $default.

    All endpoints are single names. What stands before the last one is a stage, an API mapping or a route of the
    gateway, which has decided already that the request is meant for this function.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix, _, name = scope["path"].rpartition("/")
        if not name:
            prefix = ""
        await self._application({**scope, "root_path": prefix}, receive, send)
