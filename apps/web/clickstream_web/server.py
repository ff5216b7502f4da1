"""Serves an ASGI application on uvicorn, in a thread of its own.

The thread has the process's only event loop. So a main thread that blocks in a Kafka client delays no answer, and a
slow page delays no Kafka client. A slow client costs little: answers are sent in parts, each when the previous one has
left, so at most one part is buffered here. Silent and stuck connections are closed (docs/live-page.md#how-it-is-fed);
TCP detects vanished clients (`TCP_USER_TIMEOUT`, where the platform has it).
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
_GRACE_S = 2
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

    `before_stop` is called before the server waits for answers in progress, to end those that would last. Raises
    SettingsError, with the port's name `setting`, when the port or the address can't be used.
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
        log_level="critical",  # the application logs its own errors; the others are clients' mistakes
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("server", "clickstream")],
        timeout_keep_alive=_SILENT_CONNECTION_S,
        timeout_graceful_shutdown=_GRACE_S,
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
    """uvicorn's connection, with timeouts for the first request and for a client that reads no answer."""

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
        self._cancel_stuck()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_stuck()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        """Start uvicorn's keep-alive timer, which uvicorn starts only after a response."""
        # Before the first request there is no cycle, which its type omits.
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _cancel_stuck(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
