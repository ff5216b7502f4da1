"""What every web application has: hosts, headers, errors, probes."""

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from clickstream_core.listening import ListenSettings
from clickstream_core.service import Health
from clickstream_web.errors import Refused
from clickstream_web.shell import application
from kit.asgi import ask

ERRORS = {
    "parameter": Refused(400, "limit=0: expected 1", {"parameter": "limit", "value": "0"}),
    "limit": Refused(429, "too many", retry_after_s=7),
    "mistake": RuntimeError("on purpose"),
    "teapot": HTTPException(418, "I am one"),
}


async def here(request: Request) -> Response:
    return PlainTextResponse("here\n", headers={"Referrer-Policy": "origin"} if request.query_params else None)


async def fails(request: Request) -> Response:
    raise ERRORS[request.path_params["error"]]


ROUTES = [Route("/", here), Route("/page", here), Route("/fails/{error}", fails)]


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def app(health: Health) -> ASGIApp:
    registry = CollectorRegistry()
    Counter("clickstream_events", "Events", registry=registry).inc(3)
    listen = ListenSettings(http_allowed_hosts=("clicks",))
    return application(ROUTES, listen, health=health, registry=registry)


async def test_pages_carry_the_security_headers_and_may_have_their_own(app: ASGIApp) -> None:
    for target in ("/", "/page", "/none", "/fails/mistake", "/fails/parameter"):
        headers = (await ask(app, target)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';"), target
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert (await ask(app, "/?x=1")).headers["referrer-policy"] == "origin"


async def test_probes_follow_the_health_and_have_no_policy(app: ASGIApp, health: Health) -> None:
    for path, status, body in (("/healthz", 200, b"ok\n"), ("/readyz", 503, b"starting\n")):
        answer = await ask(app, path)
        assert (answer.status, answer.body) == (status, body)
        assert "content-security-policy" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
    health.set_ready(True)
    assert (await ask(app, "/readyz")).status == 200


async def test_metrics_are_prometheus_text(app: ASGIApp) -> None:
    answer = await ask(app, "/metrics?name=ignored")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b"clickstream_events_total 3.0\n" in answer.body


async def test_an_application_without_health_has_no_probes() -> None:
    app = application(ROUTES)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await ask(app, path)).status == 404


async def test_a_foreign_host_is_refused_on_every_path(app: ASGIApp) -> None:
    for target in ("/", "/healthz", "/metrics", "/none"):
        answer = await ask(app, target, host="evil.example")
        assert answer.status == 421
        assert b"HTTP_ALLOWED_HOSTS" in answer.body
        assert answer.headers["x-content-type-options"] == "nosniff"
    for host in ("clicks", "localhost:8080", "10.1.2.3", "[::1]:1"):
        assert (await ask(app, "/", host=host)).status == 200


async def test_a_request_as_proxies_send_it_is_for_the_host_in_its_target(app: ASGIApp) -> None:
    assert (await ask(app, "http://clicks/page")).body == b"here\n"
    assert (await ask(app, "http://clicks")).status == 200
    assert (await ask(app, "http://evil.example/page")).status == 421
    assert (await ask(app, "http://[")).status == 400
    assert (await ask(app, "*", "OPTIONS")).status == 404


async def test_other_paths_and_methods_are_refused_in_plain_text(app: ASGIApp) -> None:
    for target in ("/none", "/page/", "/healthz/x", "//"):
        answer = await ask(app, target)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8"), target
        assert answer.body == b"not found\n"
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "X-ANY"):
        for target in ("/page", "/healthz", "/metrics"):
            answer = await ask(app, target, method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
            assert answer.body == b"only GET and HEAD are allowed\n"


async def test_errors_of_the_request_are_json(app: ASGIApp) -> None:
    wrong = await ask(app, "/fails/parameter")
    assert (wrong.status, wrong.headers["content-type"]) == (400, "application/json")
    assert wrong.body == b'{"error":"limit=0: expected 1","parameter":"limit","value":"0"}'
    refused = await ask(app, "/fails/limit")
    assert (refused.status, refused.headers["retry-after"], refused.body) == (429, "7", b'{"error":"too many"}')
    assert wrong.headers["cache-control"] == refused.headers["cache-control"] == "no-store"
    teapot = await ask(app, "/fails/teapot")
    assert (teapot.status, teapot.body) == (418, b"I am one\n")


async def test_a_page_that_fails_is_a_500_with_the_reason_in_the_log(
    app: ASGIApp, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(app, "/fails/mistake")
    assert (answer.status, answer.body) == (500, b"internal server error\n")
    assert "GET '/fails/mistake' failed" in caplog.text
    assert "on purpose" in caplog.text
