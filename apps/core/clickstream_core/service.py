"""Health, readiness and metrics over HTTP, as Kubernetes and Prometheus ask for them.

`/healthz` answers whether the app's loop is moving, not merely whether the process lives: the loop calls
`Health.beat()` each turn, and when the last beat is older than `stall_after`, the answer is 503 and the kubelet
restarts the pod. Anything that is progress (a long restore) beats too. `/readyz` answers whether the app does its work
now: connected and, for members of a consumer group, assigned and restored. `/metrics` is Prometheus' text format.
An app may serve pages of its own on the same port (`clickstream_core.pages`); everything is for reading only, and says
of each answer that it is nothing but its Content-Type (nosniff). A request for a host that the app does not answer for
(`clickstream_core.listening`) is refused, whatever it asks for.

The server runs in daemon threads, one a request, so a stuck loop cannot keep it from saying so, and a slow client
cannot keep others from their answer; a connection that says nothing for 10 s is closed.
"""

import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import prometheus_client

from clickstream_core.errors import SettingsError
from clickstream_core.listening import (
    ALL_ADDRESSES,
    EVERYWHERE,
    MISDIRECTED,
    ListenSettings,
    family_of,
    is_not_ours,
    listening,
)
from clickstream_core.pages import Pages, Request, Response
from clickstream_core.settings import choice, integer, setting

_log = logging.getLogger(__name__)
# Not a second series, `_created`, beside each counter and histogram: Prometheus' text format would make it a gauge.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class ServiceSettings(ListenSettings):
    """How the app can be watched: its HTTP port, who may ask there, and its logs."""

    http_port: int = setting(
        "HTTP_PORT",
        parse=integer(minimum=0, maximum=65535),
        default="8080",
        help="port of /healthz, /readyz and /metrics; 0 turns them off",
    )
    log_level: str = setting(
        "LOG_LEVEL",
        parse=choice("DEBUG", "INFO", "WARNING", "ERROR"),
        default="INFO",
        help="least important log level shown: DEBUG, INFO, WARNING or ERROR",
    )
    log_format: str = setting("LOG_FORMAT", parse=choice("text", "json"), default="text", help="text or json")


class Health:
    """Whether the app's loop moves and whether it does its work; safe to use from several threads.

    `stall_after` is in seconds; `clock` gives seconds that only rise.
    """

    def __init__(self, stall_after: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_after = stall_after
        self._clock = clock
        self._last_beat = clock()
        self._readiness = (False, "starting")

    def beat(self) -> None:
        """Say that the loop moved; the creation counts as the first beat."""
        self._last_beat = self._clock()

    def set_ready(self, ready: bool, why: str = "") -> None:
        """Say whether the app does its work and, when not, why not."""
        self._readiness = (ready, why)

    def alive(self) -> bool:
        """Whether the last beat is younger than `stall_after`."""
        return self.silent_for() < self._stall_after

    def silent_for(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._last_beat

    def readiness(self) -> tuple[bool, str]:
        """Whether the app does its work, and what it said about it."""
        return self._readiness


class HealthServer:
    """Serves a `Health`, a metrics registry and the app's own `pages` on `port` while its `with` block runs.

    `listen` says on which address and for which hosts. Port 0 serves nothing. Entering raises SettingsError when the
    port or the address cannot be had; `setting` is the port's name there.
    """

    def __init__(
        self,
        port: int,
        health: Health,
        registry: prometheus_client.CollectorRegistry = prometheus_client.REGISTRY,
        pages: Pages | None = None,
        setting: str = "HTTP_PORT",
        listen: ListenSettings = EVERYWHERE,
    ) -> None:
        self._port = port
        self._setting = setting
        self._host = listen.http_host
        self._pages = _Pages(health, registry, pages, listen)
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        if self._port:
            self._server = _listen(self._host, self._port, self._pages, self._setting)
            threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="health-server", daemon=True
            ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


@dataclass(frozen=True)
class _Pages:
    health: Health
    registry: prometheus_client.CollectorRegistry
    own: Pages | None
    listen: ListenSettings

    def answer(self, request: Request) -> Response:
        """Return the page that was asked for; an own page that fails is a 500 for the reader and a log entry."""
        if request.path == "/metrics":
            body = prometheus_client.generate_latest(self.registry)
            return Response(body, prometheus_client.CONTENT_TYPE_LATEST)
        if self.own is not None and request.path not in ("/healthz", "/readyz"):
            try:
                own = self.own(request)
            except Exception:
                _log.exception("The page %r failed", request.path)
                return Response(b"this page failed; the log says why\n", status=HTTPStatus.INTERNAL_SERVER_ERROR)
            if own is not None:
                return own
        status, text = self._text(request.path)
        return Response(f"{text}\n".encode(), status=status)

    def _text(self, path: str) -> tuple[HTTPStatus, str]:
        if path == "/healthz":
            if self.health.alive():
                return HTTPStatus.OK, "ok"
            return HTTPStatus.SERVICE_UNAVAILABLE, f"the loop has not moved for {self.health.silent_for():.0f} s"
        if path == "/readyz":
            ready, why = self.health.readiness()
            return (HTTPStatus.OK, why or "ok") if ready else (HTTPStatus.SERVICE_UNAVAILABLE, why or "not ready")
        pages = "/healthz, /readyz and /metrics" if self.own is None else "/, /healthz, /readyz and /metrics"
        return HTTPStatus.NOT_FOUND, f"not found; there are {pages}"


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], pages: _Pages) -> None:
        self.address_family = family_of(address[0])
        self.pages = pages
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.server_address[0] == ALL_ADDRESSES:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Mostly clients that went away before their answer; socketserver would print a traceback for each.
        _log.debug("request of %s failed: %s", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "clickstream"
    sys_version = ""
    timeout = 10.0
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        try:
            url = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST, "the address cannot be read")
            return
        asked_for = [url.netloc, *self.headers.get_all("Host", [])]
        if not all(map(self.server.pages.listen.answers_for, asked_for)):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, MISDIRECTED)
            return
        headers: dict[str, str] = {}
        for name, value in self.headers.items():  # lines of one name are one list: RFC 9110, 5.3
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value)))
        response = self.server.pages.answer(Request(url.path, url.query, headers, self.client_address[0]))
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        if isinstance(response.body, bytes) and response.keep is None:
            self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if response.keep is not None:
            # The socket object that socketserver is going to shut down holds nothing afterwards.
            response.keep(socket.socket(fileno=self.connection.detach()))
        elif isinstance(response.body, bytes):
            self.wfile.write(response.body)
        else:
            for part in response.body:
                self.wfile.write(part)

    do_HEAD = do_GET

    def refuse(self) -> None:
        """Nothing here can be changed over HTTP."""
        body = b"only GET and HEAD are allowed\n"
        self.send_response(HTTPStatus.METHOD_NOT_ALLOWED)
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = refuse

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request for a page; a method that nobody knows is refused as the known ones are."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self.refuse()
        elif code == HTTPStatus.REQUEST_URI_TOO_LONG:
            super().send_error(code, "URI Too Long")  # RFC 9110's phrase, which Python has from 3.13 on
        else:
            super().send_error(code, message, explain)

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


def _listen(host: str, port: int, pages: _Pages, setting: str) -> _Server:
    try:
        return listening(host, lambda address: _Server((address, port), pages))
    except OSError as error:
        if is_not_ours(error):
            raise SettingsError(f"HTTP_HOST={host}: cannot listen on this address ({error.strerror})") from error
        raise SettingsError(
            f"{setting}={port}: cannot listen on this port ({error.strerror});"
            " choose another one, or 0 to turn the health and metrics pages off"
        ) from error
