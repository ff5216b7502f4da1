"""Health, readiness and metrics over HTTP."""

import gzip
import http.client
import socket
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from clickstream_core.errors import SettingsError
from clickstream_core.service import Health, health_server


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(stall_after_s=30.0, clock=clock)


@pytest.fixture
def server(port: int, health: Health) -> Iterator[None]:
    registry = CollectorRegistry()
    Counter("clickstream_events", "Events", registry=registry).inc(3)
    with health_server(port, health, registry):
        yield


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def exchange(port: int, request: bytes) -> str:
    """The server's answer to bytes that a client library would not send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(4096), b"")).decode()


def test_a_loop_that_beats_is_alive_and_one_that_stopped_is_not(health: Health, clock: Clock) -> None:
    clock.now += 29.9
    assert health.alive()
    health.beat()
    clock.now += 29.9
    assert health.alive()
    clock.now += 0.1
    assert not health.alive()


@pytest.mark.usefixtures("server")
def test_healthz_follows_the_beat(port: int, health: Health, clock: Clock) -> None:
    assert ask(port, "/healthz") == (200, "ok\n")
    clock.now += 45
    assert ask(port, "/healthz") == (503, "the loop has been stuck for 45 s\n")
    health.beat()
    assert ask(port, "/healthz") == (200, "ok\n")


@pytest.mark.usefixtures("server")
def test_readyz_is_503_until_the_app_is_ready(port: int, health: Health) -> None:
    assert ask(port, "/readyz") == (503, "starting\n")
    health.set_ready(True)
    assert ask(port, "/readyz") == (200, "ok\n")
    health.set_ready(False, "no partition assigned")
    assert ask(port, "/readyz") == (503, "no partition assigned\n")


@pytest.mark.usefixtures("server")
def test_metrics_are_prometheus_text(port: int) -> None:
    status, text = ask(port, "/metrics?name=ignored")
    assert status == 200
    assert "clickstream_events_total 3.0\n" in text


@pytest.mark.usefixtures("server")
def test_other_pages_and_methods_are_refused(port: int) -> None:
    assert ask(port, "/")[0] == 404
    assert ask(port, "/healthz/x")[0] == 404
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "X-ANY"):
        assert ask(port, "/healthz", method) == (405, "only GET and HEAD are allowed\n")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("request_line", "status", "answer"),
    [
        (b"GET http://[ HTTP/1.1", 400, "malformed request target\n"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1", 414, "414 URI Too Long\n"),
        (b"<b>nonsense</b>", 400, "400 Bad request syntax"),
    ],
)
def test_a_malformed_request_is_refused_in_plain_text(port: int, request_line: bytes, status: int, answer: str) -> None:
    said = exchange(port, request_line + b"\r\n\r\n")
    assert answer in said
    assert f"{status} " in said
    assert "<" not in said


@pytest.mark.usefixtures("server")
def test_every_answer_has_nosniff(port: int) -> None:
    for line in (b"GET /healthz", b"GET /metrics", b"GET /no", b"POST /", b"PROPFIND /", b"GET http://["):
        said = exchange(port, line + b" HTTP/1.1\r\n\r\n")
        assert said.count("X-Content-Type-Options: nosniff\r\n") == 1, line


@pytest.mark.usefixtures("server")
def test_a_counter_is_one_series(port: int) -> None:
    assert "_created" not in ask(port, "/metrics")[1]


@pytest.mark.usefixtures("server")
def test_prometheus_gets_the_format_and_the_compression_that_it_asks_for(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    accepted = {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
    connection.request("GET", "/metrics", headers=accepted)
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0;")
    assert gzip.decompress(response.read()).endswith(b"clickstream_events_total 3.0\n# EOF\n")
    connection.close()


@pytest.mark.usefixtures("server")
def test_head_answers_without_a_body(port: int) -> None:
    assert ask(port, "/healthz", "HEAD") == (200, "")
    assert ask(port, "/readyz", "HEAD") == (503, "")
    assert ask(port, "/metrics", "HEAD") == (200, "")


@pytest.mark.usefixtures("server")
def test_silent_or_vanished_clients_do_not_disturb_others(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    silent[0].sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    silent[0].close()
    silent[1].sendall(b"\x16\x03\x01 not HTTP\r\n\r\n")
    assert ask(port, "/healthz") == (200, "ok\n")
    for client in silent[1:]:
        client.close()
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_taken_port_is_a_settings_error(health: Health) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"HTTP_PORT={taken}: .*Address already in use"),
            health_server(taken, health),
        ):
            pytest.fail("the server started on a taken port")


def test_port_0_serves_nothing(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr("clickstream_core.service.listening_socket", refuse)
    with health_server(0, health):
        pass


def test_the_port_is_free_again_afterwards(port: int, health: Health) -> None:
    for _ in range(2):
        with health_server(port, health):
            assert ask(port, "/healthz")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/healthz")
