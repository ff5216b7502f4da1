"""A real NGINX with the tracking server of shippers/nginx, in a folder of a test's own."""

import json
import os
import shutil
import signal
import socket
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.poll import eventually
from kit.skipping import skip

CONFIGURATION = Path(__file__).parents[2] / "shippers" / "nginx" / "tracking.conf"
LOGS = "/var/log/clickstream"
"""Where the shipped configurations have the log."""

_PIPELINED = 200
_MAIN = """\
daemon off;
{user}
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include tracking.conf;
}}
"""


def program(name: str, package: str) -> Path:
    """The program's path, also where root alone has it in the PATH; skips the test if it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        skip(f"there is no {name}; Debian's package {package} has it")
    return Path(found)


class Nginx(AbstractContextManager["Nginx"]):
    """The tracking server; `unlimited` lifts the limits of an address. For a with statement."""

    def __init__(self, directory: Path, *, unlimited: bool = False) -> None:
        self.logs = directory / "logs"
        self.logs.mkdir(parents=True)
        self.log = self.logs / "tracking.log"
        self.errors = directory / "error.log"
        self.port = free_port()
        self._directory = directory
        text = CONFIGURATION.read_text(encoding="utf-8")
        text = text.replace(LOGS, str(self.logs)).replace("listen 8080;", f"listen 127.0.0.1:{self.port};")
        if unlimited:
            text = text.replace("rate=50r/s", "rate=1000000r/s").replace("burst=100 nodelay", "burst=100000 nodelay")
        (directory / "tracking.conf").write_text(text, encoding="utf-8")
        # Its workers open the new log after a rotation: as root they may, in a folder that is the test's alone.
        user = "user root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(_MAIN.format(user=user), encoding="utf-8")

    def __enter__(self) -> Self:
        executable = program("nginx", "nginx-light")
        command = [str(executable), "-p", str(self._directory), "-c", "nginx.conf"]
        self._child = Child("nginx", command, log=self._directory / "output.log", environ=dict(os.environ))

        def answers() -> bool:
            assert self._child.running, self.errors.read_text(encoding="utf-8")
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True

        eventually(lambda: _tried(answers), 20)
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.stop(10)

    def send(self, *requests: bytes) -> bytes:
        """Send requests on one connection, the last of which closes it; return all that is answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(b"".join(requests))
            answers = bytearray()
            while data := connection.recv(1 << 16):
                answers += data
        return bytes(answers)

    def track(self, targets: list[str]) -> None:
        """Send GET requests as fast as it answers; each must be answered with 200."""
        for start in range(0, len(targets), _PIPELINED):
            chunk = targets[start : start + _PIPELINED]
            requests = [f"GET {each} HTTP/1.1\r\nHost: t\r\n\r\n".encode() for each in chunk[:-1]]
            answers = self.send(*requests, f"GET {chunk[-1]} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
            assert answers.count(b"HTTP/1.1 200 OK") == len(chunk), answers[-300:]

    def rotate(self) -> None:
        """Do as logrotate does with shippers/nginx/logrotate, and wait until the new log is there."""
        numbers = sorted((int(each.suffix[1:]) for each in self.logs.glob("tracking.log.*")), reverse=True)
        for number in numbers:
            (self.logs / f"tracking.log.{number}").rename(self.logs / f"tracking.log.{number + 1}")
        self.log.rename(self.logs / "tracking.log.1")
        self._child.send(signal.SIGUSR1)
        eventually(self.log.exists, 10)

    def logged(self, count: int) -> list[dict[str, Any]]:
        """So many records: a line is written just after the answer."""
        eventually(lambda: len(self.records()) >= count, 10)
        return self.records()

    def records(self) -> list[dict[str, Any]]:
        """What the log and its rotated files hold, oldest first."""
        rotated = sorted(self.logs.glob("tracking.log.*"), key=lambda each: -int(each.suffix[1:]))
        files = [*rotated, *([self.log] if self.log.exists() else [])]
        lines = [line for each in files for line in each.read_bytes().splitlines()]
        return [json.loads(line.decode("utf-8", "replace")) for line in lines]


def _tried(condition: Any) -> bool:
    try:
        return bool(condition())
    except OSError:
        return False
