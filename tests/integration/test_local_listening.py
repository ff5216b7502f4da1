"""What ./setup.sh --local starts can be reached from this machine alone, under its own names, unless --listen opens it.

No Kafka is needed for that: the apps listen while they wait for one. 127.0.0.2 stands for the machine's addresses in a
network: only who listens on all of them is there.
"""

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_core.settings import read_settings
from clickstream_local.children import Child
from clickstream_local.parts import http_ports, public_ports
from clickstream_local.pipeline import AppCommand, app_commands, start
from clickstream_local.ports import free_port
from clickstream_local.settings import LocalSettings
from kit.poll import eventually

Start = Callable[..., LocalSettings]


@pytest.fixture
def start_apps(tmp_path: Path) -> Iterator[Start]:
    """Starts the apps as --local --collector does, the dashboard without the terminal; returns the settings."""
    children: list[Child] = []

    def start_all(*options: str) -> LocalSettings:
        argv = ("--collector", "--http-port", str(free_port(13)), *options)
        settings = read_settings(LocalSettings, prog="test", description="", argv=argv, environ={})
        dead_address = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "PATH": "/usr/bin:/bin"}
        for app in app_commands(settings, dead_address):
            children.append(start(AppCommand(app.name, app.command, app.environ), tmp_path))  # noqa: PERF401
        return settings

    yield start_all
    for child in children:
        child.kill()
        print(f"--- {child.name}\n{child.last_lines()}")


def ports(settings: LocalSettings) -> dict[int, str]:
    """A page by each port."""
    public = public_ports(settings)
    return {
        **dict.fromkeys(http_ports(settings).values(), "/healthz"),
        public["collector"]: "/clickstream.js",
        public["shop"]: "/",
    }


def answer(port: int, path: str, address: str = "127.0.0.1", host: str = "localhost") -> tuple[int, str]:
    """Status and body; status 0 while nothing listens on the address."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def test_only_this_machine_reaches_them_and_no_foreign_site_through_its_browser(start_apps: Start) -> None:
    settings = start_apps()
    assert len(ports(settings)) == 6
    for port, path in ports(settings).items():
        eventually(lambda port=port, path=path: answer(port, path)[0] == 200, 60)  # type: ignore[misc]
        assert answer(port, path, address="127.0.0.2")[0] == 0, (port, path)
        assert answer(port, path, host="evil.example")[0] == 421, (port, path)
        assert answer(port, path, host="127.0.0.1")[0] == 200, (port, path)


def test_listen_opens_them_to_the_network(start_apps: Start) -> None:
    settings = start_apps("--listen", "0.0.0.0", "--http-allowed-hosts", "clicks.example")
    for port, path in ports(settings).items():
        eventually(lambda port=port, path=path: answer(port, path)[0] == 200, 60)  # type: ignore[misc]
        for host in ("127.0.0.2", "clicks.example"):
            assert answer(port, path, address="127.0.0.2", host=host)[0] == 200, (port, path)
        assert answer(port, path, host="evil.example")[0] == 421, (port, path)
    shop, collector = public_ports(settings)["shop"], public_ports(settings)["collector"]
    page = answer(shop, "/", address="127.0.0.2", host="127.0.0.2")[1]
    assert f"http://127.0.0.2:{collector}/clickstream.js" in page, "where this visitor can reach it"
