"""Health, readiness and metrics over HTTP, for Kubernetes and Prometheus.

`/healthz` shows that the app's loop runs, not merely that the process exists: the loop calls `Health.beat()` in each
turn, and when the last beat is too old the kubelet restarts the pod. `/readyz` shows whether the app can do its work:
connected and, in a consumer group, assigned and restored. `/metrics` is prometheus_client's WSGI application.

The server runs in daemon threads, one for each request, so it answers while the app's loop is stuck, and slow clients
don't delay others. Requests for a host that the app does not serve get 421 (`clickstream_core.listening`). An app with
pages serves the same three addresses on their port (`clickstream_web.shell`).
"""

import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

import prometheus_client

from clickstream_core.listening import EVERYWHERE, MISDIRECTED, ListenSettings, listening_socket
from clickstream_core.settings import choice, port_or_none, setting

METRICS_PATH = "/metrics"
PROBE_PATHS = ("/healthz", "/readyz")

_SILENT_CONNECTION_S = 10.0
_SHUTDOWN_POLL_S = 0.1

_log = logging.getLogger(__name__)
# Otherwise each counter and histogram has a second series, `_created`, which is a gauge in Prometheus' text format.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ServiceSettings(ListenSettings):
    """The app's HTTP port, who may use it, and its logs."""

    http_port: int = setting(
        "HTTP_PORT", parse=port_or_none, default="8080", help="port of /healthz, /readyz and /metrics; 0 turns them off"
    )
    log_level: str = setting(
        "LOG_LEVEL",
        parse=choice("DEBUG", "INFO", "WARNING", "ERROR"),
        default="INFO",
        help="lowest log level shown: DEBUG, INFO, WARNING or ERROR",
    )
    log_format: str = setting("LOG_FORMAT", parse=choice("text", "json"), default="text", help="text or json")


class Health:
    """Whether the app's loop runs and whether the app can do its work; safe to use from several threads.

    `clock` gives monotonic seconds.
    """

    def __init__(self, stall_after_s: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_after_s = stall_after_s
        self._clock = clock
        self._last_beat = clock()
        self._readiness = (False, "starting")

    def beat(self) -> None:
        """Record that the loop has run; the creation counts as the first beat."""
        self._last_beat = self._clock()

    def set_ready(self, ready: bool, why: str = "") -> None:
        """Record whether the app can do its work, and otherwise why not."""
        self._readiness = (ready, why)

    def alive(self) -> bool:
        return self._silent_s() < self._stall_after_s

    def answer(self, path: str) -> tuple[HTTPStatus, str]:
        """Return the answer to a probe of one of PROBE_PATHS."""
        if path == "/healthz":
            good, text = self.alive(), f"the loop has been stuck for {self._silent_s():.0f} s"
            return (HTTPStatus.OK, "ok") if good else (HTTPStatus.SERVICE_UNAVAILABLE, text)
        ready, why = self._readiness
        return (HTTPStatus.OK, why or "ok") if ready else (HTTPStatus.SERVICE_UNAVAILABLE, why or "not ready")

    def _silent_s(self) -> float:
        return self._clock() - self._last_beat


@contextmanager
def health_server(
    port: int,
    health: Health,
    registry: prometheus_client.CollectorRegistry = prometheus_client.REGISTRY,
    setting: str = "HTTP_PORT",
    listen: ListenSettings = EVERYWHERE,
) -> Iterator[None]:
    """Serve `health` and `registry` on `port` while the `with` block runs; port 0 serves nothing.

    `listen` has the address and the hosts. Raises SettingsError, with the port's name `setting`, when the port or the
    address can't be used.
    """
    if port == 0:
        yield
        return
    server = _Server(listening_socket(listen.http_host, port, setting))
    server.set_app(_Pages(health, registry, listen))
    threading.Thread(target=server.serve_forever, args=(_SHUTDOWN_POLL_S,), name="health-server", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Pages:
    """The WSGI application: prometheus_client's for /metrics, plain text for everything else."""

    def __init__(self, health: Health, registry: prometheus_client.CollectorRegistry, listen: ListenSettings) -> None:
        self._health = health
        self._metrics = prometheus_client.make_wsgi_app(registry)
        self._listen = listen

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        status, headers, body = self._answer(environ["REQUEST_METHOD"], environ)
        always = [("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff"), ("Server", "clickstream")]
        start_response(status, [*headers, *always])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, method: str, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
        try:
            target = urlsplit(environ["PATH_INFO"])
        except ValueError:
            return _text(HTTPStatus.BAD_REQUEST, "malformed request target")
        if not all(map(self._listen.answers_for, (target.netloc, environ.get("HTTP_HOST", "")))):
            return _text(HTTPStatus.MISDIRECTED_REQUEST, MISDIRECTED)
        if method not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are allowed", ("Allow", "GET, HEAD"))
        if target.path in PROBE_PATHS:
            return _text(*self._health.answer(target.path))
        if target.path != METRICS_PATH:
            return _text(HTTPStatus.NOT_FOUND, "not found; try /healthz, /readyz or /metrics")
        head: list[Any] = []
        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, lambda *given: head.extend(given)))
        return head[0], head[1], body


def _text(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
    content_type = ("Content-Type", "text/plain; charset=utf-8")
    return f"{status.value} {status.phrase}", [content_type, *headers], f"{text}\n".encode()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Mostly clients that disconnected before the answer; socketserver would print a traceback for each.
        _log.debug("request of %s failed: %s", client_address, sys.exception())


class _Handler(WSGIRequestHandler):
    server_version = "clickstream"
    sys_version = ""
    timeout = _SILENT_CONNECTION_S
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        # RFC 9110's phrase, which Python has since 3.13.
        super().send_error(code, "URI Too Long" if code == HTTPStatus.REQUEST_URI_TOO_LONG else message, explain)

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def get_stderr(self) -> Any:
        return io.StringIO()  # wsgiref's traceback for a client that reads nothing

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)
