"""Which address an app listens on, and which hosts it answers for."""

import http.client
import socket
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from clickstream_core.errors import SettingsError
from clickstream_core.listening import ListenSettings, listening_socket, url_host
from clickstream_core.service import Health, health_server
from clickstream_core.settings import read_settings


def read(**environ: str) -> ListenSettings:
    return read_settings(ListenSettings, prog="test", description="", argv=[], environ=environ)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def status(port: int, *hosts: str, address: str = "127.0.0.1", target: str = "/healthz") -> int:
    """GET with these Host headers; 0 when nothing listens on the address."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.putrequest("GET", target, skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("http_host", "elsewhere"),
    [("", 200), ("0.0.0.0", 200), ("::", 200), ("127.0.0.1", 0), ("localhost", 0), ("[::ffff:127.0.0.1]", 0)],
)
def test_an_app_listens_on_the_given_address_and_on_all_by_default(port: int, http_host: str, elsewhere: int) -> None:
    with health_server(port, Health(), CollectorRegistry(), listen=read(HTTP_HOST=http_host)):
        assert status(port, "localhost") == 200
        assert status(port, "localhost", address="127.0.0.2") == elsewhere, "an address that was not chosen"


def test_where_there_is_no_ipv6_all_addresses_are_those_of_ipv4(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def create_server(address: tuple[str, int], **options: Any) -> socket.socket:
        if ":" in address[0]:
            raise OSError(97, "Address family not supported by protocol")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", create_server)
    with listening_socket("::", port) as listener:
        assert listener.getsockname() == ("0.0.0.0", port)
    with pytest.raises(SettingsError, match="HTTP_HOST=::1: .*not supported"):
        listening_socket("::1", port)


def test_an_address_of_another_machine_is_named(port: int) -> None:
    with (
        pytest.raises(SettingsError, match=r"HTTP_HOST=192\.0\.2\.1: cannot listen on this address"),
        health_server(port, Health(), CollectorRegistry(), listen=read(HTTP_HOST="192.0.2.1")),
    ):
        pytest.fail("it listens")


@pytest.mark.parametrize("value", ["example.com", "127.0.0.1:80", "10.0.0.0/8", "127.1", "*", "fe80::1%lo", "[::1"])
def test_an_invalid_address_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="HTTP_HOST=.*: expected an address of this machine"):
        read(HTTP_HOST=value)


@pytest.mark.parametrize("value", ["http://a", "a:80", "a,,b", "*.a", "-a", "a b"])
def test_an_invalid_host_name_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="HTTP_ALLOWED_HOSTS=.*: expected host names"):
        read(HTTP_ALLOWED_HOSTS=value)


ALLOWED = ["localhost", "LocalHost:8080", "localhost.", "127.0.0.1:8080", "[::1]:8080", "[::1]", "10.1.2.3", "clicks:1"]
FOREIGN = [
    *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io", "127.1", "2130706433"),
    *(
        "evil.example@localhost",
        "localhost@evil.example",
        "[evil.example]",
        "a b",
        "[::1",
        "clicks.evil.example",
        ":80",
    ),
]


@pytest.mark.parametrize("host", ALLOWED)
def test_its_names_localhost_and_addresses_are_answered_for(host: str) -> None:
    assert read(HTTP_ALLOWED_HOSTS="clicks").answers_for(host)


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_sites_name_is_not_answered_for(host: str) -> None:
    assert not read(HTTP_ALLOWED_HOSTS="clicks").answers_for(host)
    assert read().answers_for(host), "without the setting any name will do"


def test_a_request_for_a_foreign_host_is_refused_on_every_path(port: int) -> None:
    listen = read(HTTP_ALLOWED_HOSTS="localhost")
    with health_server(port, Health(), CollectorRegistry(), listen=listen):
        for path in ("/", "/healthz", "/readyz", "/metrics"):
            assert status(port, "evil.example", target=path) == 421
        assert status(port, "localhost", "evil.example") == 421, "whichever of two counts elsewhere"
        assert status(port, "localhost", target=f"http://evil.example:{port}/healthz") == 421
        assert status(port, f"localhost:{port}") == 200
        assert status(port) == 200, "no browser leaves Host away"


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1", "localhost"), ("0.0.0.0", "localhost"), ("::", "localhost"), ("::1", "[::1]"), ("10.0.0.1",) * 2],
)
def test_the_address_in_a_url(address: str, host: str) -> None:
    assert url_host(address) == host
