"""Serves an ASGI application in a thread of its own, on uvicorn.

The thread has the only event loop of the process, so a main thread that blocks in a Kafka client stops no answer, and
a page that takes long stops no Kafka client. A busy or slow client costs little: answers are sent in parts, each when
the one before has left, and what the kernel does not take yet is at most one part.

Connections end by themselves: one that is silent for 10 s without a request, and one whose client takes nothing of its
answer for a minute. A client that vanished is noticed by TCP (`TCP_USER_TIMEOUT`, where there is one).
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from clickstream_core.listening import EVERYWHERE, ListenSettings, listening_socket

_SILENT_CONNECTION_S = 10
_STUCK_CLIENT_S = 60
_SEND_BUFFER_BYTES = 64 << 10
_MAX_HEAD_BYTES = 64 << 10
_LAST_ANSWERS_S = 2
_STOP_S = 4.0

_log = logging.getLogger(__name__)


@contextmanager
def web_server(
    app: ASGIApp,
    port: int,
    listen: ListenSettings = EVERYWHERE,
    setting: str = "HTTP_PORT",
    before_stop: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Serve `app` on `port` while the `with` block runs.

    `before_stop` is called before the server waits for the answers that are being sent, to end those that would last.
    Raises SettingsError when the port or the address can't be used; `setting` is the port's name there.
    """
    listener = listening_socket(listen.http_host, port, setting)
    # Accepted connections inherit both.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STUCK_CLIENT_S * 1000)
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",  # the application logs its errors itself; what is left are clients' mistakes
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("server", "clickstream")],
        timeout_keep_alive=_SILENT_CONNECTION_S,
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_run, args=(server, listener), name="web-server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        before_stop()
        server.should_exit = True
        thread.join(_STOP_S)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    async def serve() -> None:
        await server.serve([listener])
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    asyncio.run(serve())
    if not server.should_exit:
        _log.error("The HTTP server stopped unexpectedly")


class _Connection(H11Protocol):
    """uvicorn's connection, with an end to waiting for a request and for a client that takes no answer."""

    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(_STUCK_CLIENT_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._forget_stuck()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_stuck()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        """Start uvicorn's keep-alive timer, which it starts itself after a response only."""
        # There is no cycle before the first request, which its type does not say.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _forget_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
