"""A bootstrap address that stays while the brokers behind it move, and what may be at a broker's previous address."""

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class Entrance:
    """Forwards each new connection on `port` of 127.0.0.1 to the port that `leads_to` names at that moment."""

    def __init__(self, leads_to: int) -> None:
        self.leads_to = leads_to
        self._server = _serving(0, self._forward)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _end(self._server)

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    def _forward(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection(("127.0.0.1", self.leads_to))
        except OSError:
            return
        with broker:
            back = threading.Thread(target=_pump, args=(broker, client), daemon=True)
            back.start()
            _pump(client, broker)
            back.join()


class Stranger:
    """Another server on `port` of 127.0.0.1 that accepts connections and answers each with `words`, or not at all."""

    def __init__(self, port: int, words: bytes = b"") -> None:
        self._words = words
        self._server = _serving(port, self._answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _end(self._server)

    def _answer(self, client: socket.socket) -> None:
        while client.recv(65_536):
            if self._words:
                client.sendall(self._words)


def _serving(port: int, handle: Any) -> socketserver.ThreadingTCPServer:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                handle(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


def _end(server: socketserver.ThreadingTCPServer) -> None:
    server.shutdown()
    server.socket.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Void:
    """A port of 127.0.0.1 that does not answer connection attempts, as behind a firewall that drops packets."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server(("127.0.0.1", port), backlog=0)
        self.port: int = self._server.getsockname()[1]
        self._waiting = []
        for _ in range(4):  # unaccepted connections fill the queue; Linux drops further ones
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", self.port))
            self._waiting.append(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in (*self._waiting, self._server):
            each.close()
