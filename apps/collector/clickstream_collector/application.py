"""The collector as an ASGI application: its endpoints, and its connection to Kafka."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clickstream_collector import instruments
from clickstream_collector.answers import Answer, answering
from clickstream_collector.delivery import Delivery
from clickstream_collector.errors import Refused
from clickstream_collector.ingest import Ingest
from clickstream_collector.pipeline import Pipeline, wall_clock
from clickstream_collector.pixel import Pixel
from clickstream_collector.script import File
from clickstream_collector.settings import CollectorSettings
from clickstream_collector.supervisor import ProducerSupervisor
from clickstream_core.listening import MISDIRECTED, ListenSettings
from clickstream_core.service import Health, health_server


class _ScenarioId(Convertor[str]):
    """The path of a tracking request; longer numbers are no path of ours."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("scenario", _ScenarioId())

_DRAIN_TIMEOUT_S = 5.0
_CACHED_FOR_S = 3600
_HERE = b"clickstream-collector: events go to /ingest, /openapi.json describes it\n"
_ENDPOINTS = "not found; there are /ingest, /pixel.gif, /{scenario_id}, /clickstream.js and /openapi.json"
_PLAIN_TEXT = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))

_log = logging.getLogger(__name__)


class Collector:
    """Everything behind the endpoints; `start` and `stop` need a running event loop.

    `clock` returns monotonic seconds; for `patience` see Delivery.
    """

    def __init__(
        self, settings: CollectorSettings, clock: Callable[[], float] = time.monotonic, patience: float = 0.0
    ) -> None:
        self.health = Health()
        self._settings = settings
        self._delivery = Delivery(clock, wall_clock, lambda: self._supervisor.replace(), patience)
        secret = settings.visitor_secret or settings.visitor_secret_file
        self._pipeline = Pipeline(settings, self._delivery, secret.current() if secret else secrets.token_hex(32))
        if secret is None:
            _log.warning(
                "VISITOR_SECRET is not set: visitors without an id of their own get a different one in each process,"
                " and after each restart"
            )
        topics = (settings.topics.events_topic, settings.topics.dead_letter_topic)
        self._supervisor = ProducerSupervisor(settings.kafka.aiokafka_config(), topics, self._delivery, self.health)
        self._task: asyncio.Task[None] | None = None

    def application(self) -> Starlette:
        """Return the ASGI application, which starts and stops the collector with its lifespan."""
        application = Starlette(
            routes=[
                Route("/", _Root()),
                Route("/ingest", Ingest(self._pipeline)),
                Route("/pixel.gif", Pixel(self._pipeline)),
                Route("/{scenario:scenario}", Pixel(self._pipeline)),
                Route(
                    "/clickstream.js", File("clickstream.js", "text/javascript; charset=utf-8", "script", _CACHED_FOR_S)
                ),
                Route("/openapi.json", File("openapi.json", "application/json", "other", _CACHED_FOR_S)),
                Route("/{path:path}", _NotFound()),
            ],
            lifespan=self._lifespan,
        )
        application.router.redirect_slashes = False
        application.router.default = _NotFound()  # requests without a path: OPTIONS *, CONNECT
        if self._settings.service.http_allowed_hosts is not None:
            application.add_middleware(_OwnHosts, listen=self._settings.service)
        return application

    def start(self) -> None:
        """Start connecting; requests get 503 until that is done."""
        self._task = asyncio.get_running_loop().create_task(self._supervisor.run())
        self._task.add_done_callback(self._ended)

    async def reach(self, seconds: float) -> bool:
        """Wait up to `seconds` until Kafka accepts events; return whether it does."""
        return await self._delivery.available(seconds)

    def renew(self) -> None:
        """Reconnect: after a long pause the connection may be dead."""
        self._supervisor.renew()

    async def stop(self, timeout_s: float = _DRAIN_TIMEOUT_S) -> None:
        """Deliver what was accepted, for up to `timeout_s`, and stop."""
        self.health.set_ready(False, "shutting down")
        if not await self._delivery.drain(timeout_s):
            _log.warning("%d events were not acknowledged; none of them got 200", self._delivery.in_flight)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._delivery.close()
        await self._supervisor.close()
        instruments.CONNECTED.set(0)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        service = self._settings.service
        with health_server(service.admin_port, self.health, setting="ADMIN_PORT", listen=service):
            self.start()
            try:
                yield
            finally:
                await self.stop()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("The connection to Kafka stopped unexpectedly", exc_info=task.exception())


class _Root:
    """The default health check of load balancers, and a hint for people who open it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with answering("other", send) as answer:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, f"{scope['method']} is not allowed here; use GET", {"Allow": "GET, HEAD"})
            await answer(Answer(200, b"" if scope["method"] == "HEAD" else _HERE, _PLAIN_TEXT))


class _OwnHosts:
    """Refuses requests for hosts that are not in HTTP_ALLOWED_HOSTS."""

    def __init__(self, app: ASGIApp, listen: ListenSettings) -> None:
        self._app = app
        self._listen = listen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = (value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host")
        if scope["type"] == "http" and not all(map(self._listen.answers_for, hosts)):
            async with answering("other", send):
                raise Refused(421, MISDIRECTED)
        await self._app(scope, receive, send)


class _NotFound:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        async with answering("other", send):
            raise Refused(
                404, "not found; there are /ingest, /pixel.gif, /{scenario_id}, /clickstream.js and /openapi.json"
            )
