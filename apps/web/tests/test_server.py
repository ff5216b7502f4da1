"""The server's thread: where it listens, how it ends, and which connections it ends."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clickstream_core.errors import SettingsError
from clickstream_core.listening import ListenSettings
from clickstream_local.ports import free_port
from clickstream_web import server as module
from clickstream_web.responses import PartedResponse, in_parts
from clickstream_web.server import web_server
from clickstream_web.shell import application

LARGE = b"x" * 8_000_000
Serve = Callable[..., int]


async def small(request: Request) -> Response:
    return PlainTextResponse("here\n")


async def large(request: Request) -> Response:
    return PartedResponse(in_parts(LARGE), len(LARGE), "text/plain", {})


APP = application([Route("/", small), Route("/large", large)])


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves the two pages on a free port, which is returned."""
    with ExitStack() as stack:

        def serve(listen: ListenSettings = ListenSettings("127.0.0.1")) -> int:  # noqa: B008 - frozen
            port = free_port()
            stack.enter_context(web_server(APP, port, listen))
            return port

        yield serve


def ask(port: int, path: str = "/", address: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body; status 0 when nothing listens on the address."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionRefusedError:
        return 0, b""
    finally:
        connection.close()


def seconds_until_closed(client: socket.socket) -> float:
    begun = time.monotonic()
    while client.recv(1 << 16):
        pass
    return time.monotonic() - begun


@pytest.mark.parametrize(("address", "elsewhere"), [("::", 200), ("0.0.0.0", 200), ("127.0.0.1", 0)])
def test_it_listens_on_the_given_address(serve: Serve, address: str, elsewhere: int) -> None:
    port = serve(ListenSettings(address))
    assert ask(port) == (200, b"here\n")
    assert ask(port, address="127.0.0.2")[0] == elsewhere


def test_a_taken_port_is_a_settings_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=rf"SHOP_PORT={taken}: cannot listen on this port \(Address already"),
            web_server(APP, taken, setting="SHOP_PORT"),
        ):
            pytest.fail("it serves on a taken port")


def test_the_port_is_free_again_afterwards() -> None:
    port = free_port()
    for _ in range(2):
        with web_server(APP, port, ListenSettings("127.0.0.1")):
            assert ask(port)[0] == 200
    assert ask(port)[0] == 0


def test_a_connection_serves_several_requests(serve: Serve) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serve(), timeout=10)
    for _ in range(3):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, response.read(), response.headers["Server"]) == (200, b"here\n", "clickstream")
        assert "Connection" not in response.headers
    connection.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHos", b"GET / HTTP/1.0\r\n\r\nGET / HT"])
def test_a_connection_that_is_silent_without_a_request_is_closed(
    serve: Serve, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENT_CONNECTION_S", 0.3)
    port = serve()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(begun)
        assert seconds_until_closed(client) < 5


def test_a_client_that_reads_nothing_is_disconnected_and_a_slow_one_is_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENT_CONNECTION_S", 0.2)
    monkeypatch.setattr(module, "_STUCK_CLIENT_S", 1)
    port = serve()
    clients = []
    for _ in range(2):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        clients.append(client)
    stuck, slow = clients
    received = b""
    while part := slow.recv(1 << 16):
        received += part
        time.sleep(0.02)  # 8 MB in 2.5 s, longer than one may take nothing
    assert received.endswith(LARGE)
    with pytest.raises(ConnectionResetError):
        seconds_until_closed(stuck)
    for client in clients:
        client.close()


def test_a_malformed_request_is_refused_in_plain_text(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    port = serve()
    for request in (b"<b>nonsense</b>\r\n\r\n", b"GET /" + b"a" * 70_000, b"\x16\x03\x01 not HTTP\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(request)
            said = b"".join(iter(lambda: client.recv(4096), b""))
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: text/plain" in said
        assert b"nonsense" not in said
    assert ask(port)[0] == 200
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
