"""The application on AWS Lambda behind API Gateway: one request at a time, and a frozen process in between.

The event loop runs only while a request is answered, so between two requests nothing in the application runs: neither
the tasks that talk to Kafka nor, with `HaltingLoop`, the time that they measure. An event that waits for Kafka while
the process is frozen does not count as stuck. But brokers and load balancers close connections that are idle for
minutes: after `TRUSTED_FOR_S` without a request the collector reconnects first. And nothing finds Kafka again in the
background, so a request waits for it, up to the limit of its answer, instead of being refused at once.
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
from clickstream_collector.pipeline import MAX_WAIT_S
from clickstream_collector.settings import CollectorSettings
from clickstream_core.logs import announce

TRUSTED_FOR_S = 180.0
"""After a longer pause the connection is replaced; NAT gateways and load balancers drop idle ones at 350 s."""

_CONNECT_TIMEOUT_S = 2.0
_DRAIN_TIMEOUT_S = 0.3  # of the 0.5 s that Lambda gives a function with an extension
_PATIENCE_S = MAX_WAIT_S - 0.2

_log = logging.getLogger(__name__)


class HaltingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while it does not run; `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._halted_at: float | None = clock()
        self._halted_for = 0.0
        super().__init__()

    def time(self) -> float:
        """Return how many seconds the loop has run, from an arbitrary start."""
        now = self._clock() if self._halted_at is None else self._halted_at
        return now - self._halted_for

    def run_forever(self) -> None:
        """Run until stopped; all methods that run the loop call this one."""
        if self._halted_at is not None:
            self._halted_for += self._clock() - self._halted_at
            self._halted_at = None
        try:
            super().run_forever()
        finally:
            self._halted_at = self._clock()


class Invocations:
    """Answers API Gateway's events, one at a time: the function that the Lambda runtime calls.

    It sets the thread's event loop, on which Mangum runs each request. `wall_clock` returns seconds since the epoch;
    unlike a monotonic clock, it is known to advance while Lambda has frozen the process.
    """

    def __init__(self, settings: CollectorSettings, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._answered_at = wall_clock()
        self._busy = threading.Lock()
        self._loop = HaltingLoop()
        asyncio.set_event_loop(self._loop)
        self._collector = Collector(settings, self._loop.time, _PATIENCE_S)
        # Mangum's lifespan would start and stop the collector with each request.
        self._gateway = Mangum(_Prefixed(self._collector.application()), lifespan="off")

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request: payload format 2.0 of an HTTP API, or of a function URL."""
        with self._busy:
            if self._wall_clock() - self._answered_at > TRUSTED_FOR_S:
                self._collector.renew()
            try:
                return self._gateway(event, context)
            finally:
                self._answered_at = self._wall_clock()

    def connect(self) -> None:
        """Connect to Kafka while Lambda starts the environment; the first request continues what takes too long."""
        if not self._loop.run_until_complete(self._connect()):
            _log.warning(
                "Kafka was not reached within %g s: check KAFKA_BOOTSTRAP_SERVERS, and the function's subnets and"
                " security groups; requests get 503 until it is",
                _CONNECT_TIMEOUT_S,
            )

    def close(self, timeout_s: float = _DRAIN_TIMEOUT_S) -> None:
        """Deliver what is in flight, for up to `timeout_s`, and close the loop."""
        self._loop.run_until_complete(self._collector.stop(timeout_s))
        self._loop.close()
        asyncio.set_event_loop(None)

    def close_at_sigterm(self) -> None:
        """Close and exit at SIGTERM, which Lambda sends if the function has an extension.

        The runtime waits for requests inside libcurl, where Python's signal handlers do not run. So a thread waits for
        the signal, and then for the current request; after that it uses the loop alone.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=self._wait_for_sigterm, name="sigterm", daemon=True).start()

    async def _connect(self) -> bool:
        self._collector.start()
        return await self._collector.reach(_CONNECT_TIMEOUT_S)

    def _wait_for_sigterm(self) -> None:
        signal.sigwait({signal.SIGTERM})
        self._busy.acquire()  # never released: no further request is answered
        self.close()
        announce("Stopped")
        os._exit(0)  # the main thread waits for a request


class _Prefixed:
    """The application under any path prefix: an HTTP API's paths begin with the stage, unless that is $default.

    All endpoints are single path segments. Everything before the last one is a stage, an API mapping or a route of the
    gateway, which has already decided that the request is for this function.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix, _, name = scope["path"].rpartition("/")
        if not name:
            prefix = ""
        await self._application({**scope, "root_path": prefix}, receive, send)
