"""How much of the page's data one address may have: requests, windows that are written for it, open pages."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from clickstream_consumer import tabular
from clickstream_core.addresses import networks
from clickstream_core.window_metrics import WindowMetrics
from clickstream_web.visitors import MAX_STREAMS, Visitors
from kit.page import Site, served_page
from kit.poll import eventually

ONE_VISITOR, ANOTHER = {"X-Forwarded-For": "203.0.113.7"}, {"X-Forwarded-For": "198.51.100.1"}
Serve = Callable[..., Site]


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refused() -> list[str]:
    """What was refused, by the limit's name."""
    return []


@pytest.fixture
def serve(reference: WindowMetrics, clock: Clock, refused: list[str]) -> Iterator[Serve]:
    """Serves the page with limits; a proxy on this machine is trusted unless it is said who is."""
    with ExitStack() as stack:

        def start(limit: float, trusted: str = "127.0.0.1") -> Site:
            visitors = Visitors(limit, networks(trusted), refused.append, clock)
            return stack.enter_context(served_page(reference, visitors=visitors))

        yield start


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One element for each row of CSV that is written."""
    written: list[None] = []
    row = tabular._row

    def counted(metrics: WindowMetrics) -> tuple[object, ...]:
        written.append(None)
        return row(metrics)

    monkeypatch.setattr(tabular, "_row", counted)
    return written


def listen(site: Site, headers: dict[str, str]) -> socket.socket:
    """Open an event stream; the connection, once the head of the answer is there."""
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=10)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"GET /api/stream HTTP/1.0\r\nHost: x\r\n{lines}\r\n".encode())
    assert connection.recv(13) == b"HTTP/1.1 200 "
    return connection


def test_an_answer_is_written_once_until_the_next_window(site: Site, rows: list[None]) -> None:
    site.fill(300)
    packed = {"Accept-Encoding": "gzip"}
    first = [site.ask("/api/windows.csv", headers=headers) for headers in (packed, {}, packed)]
    assert len(rows) == 300
    assert first[0][2] == first[2][2]
    assert len(first[1][2]) == int(first[1][1]["content-length"])
    assert len(first[0][2]) == int(first[0][1]["content-length"])
    site.ask("/api/windows.csv?limit=20160")
    assert len(rows) == 300, "the same windows, asked for in other words"
    assert site.ask("/api/windows.csv?bom=1")[2] != first[1][2]
    assert len(rows) == 600
    site.add(1)
    assert site.ask("/api/windows.csv")[2].count(b"\r\n") == 302
    assert len(rows) == 901


def test_the_windows_and_their_position_are_of_one_moment(site: Site) -> None:
    site.fill(3)
    answers = [json.loads(site.ask("/api/windows")[2]) for _ in range(2)]
    site.add(1)
    answers.append(json.loads(site.ask("/api/windows")[2]))
    assert [(each["position"], len(each["windows"])) for each in answers] == [
        *[("0:1,1:1,2:1", 3)] * 2,
        ("0:2,1:1,2:1", 4),
    ]


def test_requests_above_the_limit_are_refused_with_retry_after(serve: Serve, clock: Clock, refused: list[str]) -> None:
    site = serve(1)
    assert [site.ask("/api/windows")[0] for _ in range(12)] == [200] * 10 + [429] * 2
    status, headers, body = site.ask("/api/windows")
    assert (status, headers["retry-after"], headers["cache-control"]) == (429, "1", "no-store")
    assert "too many requests from this address; retry in 1 s" in json.loads(body)["error"]
    assert refused == ["requests"] * 3
    assert site.ask("/api/windows?limit=0")[0] == site.ask("/api/stream")[0] == 429
    for path in ("/", "/api/openapi.json", "/healthz", "/metrics"):
        assert site.ask(path)[0] == 200, "the page itself and its health have no limit"
    clock.now += 1.5
    assert site.ask("/api/windows")[0] == 200


def test_writing_many_windows_counts_for_the_visitor_who_asked_only(serve: Serve, rows: list[None]) -> None:
    site = serve(0.2)
    site.fill(900)
    assert site.ask("/api/windows.csv", headers=ONE_VISITOR)[0] == 200
    assert site.ask("/api/windows.csv", headers=ONE_VISITOR)[0] == 429, "23 requests' worth, of two"
    for _ in range(2):
        assert site.ask("/api/windows.csv", headers=ANOTHER)[0] == 200
    assert len(rows) == 900


def test_asking_for_ever_other_windows_is_bounded(serve: Serve, rows: list[None]) -> None:
    site = serve(4)
    site.fill(800)
    statuses = [site.ask(f"/api/windows.csv?limit={limit}")[0] for limit in range(800, 780, -1)]
    assert statuses == [200] * 2 + [429] * 18, "21 requests' worth each, of forty"
    assert len(rows) == 800 + 799


def test_one_address_has_some_pages_open_and_leaves_room_for_others(serve: Serve, refused: list[str]) -> None:
    site = serve(100)
    opened = [listen(site, ONE_VISITOR) for _ in range(MAX_STREAMS)]
    eventually(lambda: len(site.stream) == MAX_STREAMS, 10)
    status, headers, body = site.ask("/api/stream", headers=ONE_VISITOR)
    assert (status, headers["retry-after"]) == (429, "10")
    assert f"this address has {MAX_STREAMS} pages open" in json.loads(body)["error"]
    assert refused == ["streams"]
    opened.append(listen(site, ANOTHER))
    eventually(lambda: len(site.stream) == MAX_STREAMS + 1, 10)
    opened.pop(0).close()
    eventually(lambda: len(site.stream) == MAX_STREAMS, 10)
    opened.append(listen(site, ONE_VISITOR))
    for each in opened:
        each.close()
    eventually(lambda: len(site.stream) == 0, 10)


def test_pages_that_are_opened_at_the_same_moment_are_counted_too(serve: Serve) -> None:
    site = serve(100)
    clients = [socket.create_connection(("127.0.0.1", site.port), timeout=10) for _ in range(MAX_STREAMS + 10)]
    for client in clients:
        client.sendall(b"GET /api/stream HTTP/1.0\r\n\r\n")
    statuses = [client.recv(13) for client in clients]
    assert (statuses.count(b"HTTP/1.1 200 "), statuses.count(b"HTTP/1.1 429 ")) == (MAX_STREAMS, 10)
    assert len(site.stream) == MAX_STREAMS
    for client in clients:
        client.close()


@pytest.mark.parametrize("trusted", ["none", "10.0.0.0/8"])
def test_an_untrusted_client_cannot_choose_an_address(serve: Serve, trusted: str) -> None:
    site = serve(1, trusted)
    statuses = [site.ask("/api/windows", headers={"X-Forwarded-For": f"203.0.113.{n}"})[0] for n in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_behind_a_trusted_proxy_each_visitor_has_a_limit_and_an_ipv6_line_has_one(serve: Serve) -> None:
    site = serve(0.1)
    for number in range(30):
        assert site.ask("/api/windows", headers={"X-Forwarded-For": f"1.2.3.4, 203.0.113.{number}"})[0] == 200
    statuses = [site.ask("/api/windows", headers={"X-Forwarded-For": f"2001:db8:1:2::{n}"})[0] for n in range(3)]
    assert statuses == [200, 429, 429]
    assert site.ask("/api/windows", headers={"X-Forwarded-For": "2001:db8:1:3::1"})[0] == 200


def test_without_limits_nothing_is_refused(site: Site) -> None:
    assert {site.ask("/api/windows")[0] for _ in range(150)} == {200}
    assert Visitors().max_streams > 10**9
