"""The frame of every web application: hosts, security headers, errors, and routes for Kubernetes and Prometheus.

A request for a host that is not served (`clickstream_core.listening`) gets 421. Answers of the application's own routes
restrict the browser: scripts, styles and images from this server only, no frames, no referrer. A route may be stricter.

With a `Health`, the application also serves /healthz, /readyz and /metrics on the port of its pages. The pages' loop
answers them, in another thread than the app's: if the app's loop is stuck, the answer is 503; if the pages' loop is
stuck, the kubelet's probe times out. Both restart the pod.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

import msgspec
import prometheus_client
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickstream_core.listening import EVERYWHERE, MISDIRECTED, ListenSettings
from clickstream_core.service import METRICS_PATH, PROBE_PATHS, Health
from clickstream_web.errors import Refused

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_log = logging.getLogger(__name__)


def application(
    routes: Sequence[BaseRoute],
    listen: ListenSettings = EVERYWHERE,
    headers: Mapping[str, str] = SECURITY_HEADERS,
    health: Health | None = None,
    registry: prometheus_client.CollectorRegistry = prometheus_client.REGISTRY,
    not_found: str = "not found",
) -> ASGIApp:
    """Return an ASGI application of these routes, whose answers get `headers`; `not_found` is the text of a 404."""
    service = [] if health is None else _service_routes(health, registry)
    service_paths = [route.path for route in service]
    app = Starlette(
        routes=[*service, *routes],
        exception_handlers={HTTPException: partial(_refused, not_found), Exception: _failed},
    )
    app.router.redirect_slashes = False

    async def shell(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent["X-Content-Type-Options"] = "nosniff"
                for name, value in headers.items() if scope["path"] not in service_paths else ():
                    sent.setdefault(name, value)
            await send(message)

        try:
            await (_misdirected(scope, listen) or app)(scope, receive, send_with_headers)
        except Exception:  # answered already, unless the answer had begun: then the server closes the connection
            _log.exception("%s %r failed", scope["method"], scope["path"])

    return shell


def _misdirected(scope: Scope, listen: ListenSettings) -> Response | None:
    """Return the answer to a request that is not for this server; reduce any other request's target to its path."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if not scope["path"].startswith("/") and scope["path"] != "*":  # the absolute form: RFC 9112, 3.2.2
        try:
            target = urlsplit(scope["path"])
        except ValueError:
            return PlainTextResponse("malformed request target\n", 400)
        hosts.append(target.netloc)
        scope["path"] = target.path or "/"
    return None if all(map(listen.answers_for, hosts)) else PlainTextResponse(f"{MISDIRECTED}\n", 421)


def _service_routes(health: Health, registry: prometheus_client.CollectorRegistry) -> list[Route]:
    async def probe(request: Request) -> Response:
        status, text = health.answer(request.scope["path"])
        return PlainTextResponse(f"{text}\n", status)

    async def metrics(request: Request) -> Response:
        body = prometheus_client.generate_latest(registry)
        return Response(body, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return [*(Route(path, probe) for path in PROBE_PATHS), Route(METRICS_PATH, metrics)]


async def _refused(not_found: str, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if isinstance(error, Refused):
        return Response(msgspec.json.encode(error.answer), error.status_code, headers, "application/json")
    text = not_found if error.status_code == 404 else error.detail
    if error.status_code == 405:
        allowed = sorted(method.strip() for method in headers["Allow"].split(","))
        text, headers["Allow"] = f"only {' and '.join(allowed)} are allowed", ", ".join(allowed)
    return PlainTextResponse(f"{text}\n", error.status_code, headers)


async def _failed(request: Request, error: Exception) -> Response:
    return PlainTextResponse("internal server error\n", 500)
