"""Pages that an app serves beside /healthz, /readyz and /metrics: what it is asked, and what it answers.

A function from `Request` to `Response` is all there is; `HealthServer` does the rest. A body may be an iterable of
parts: they are sent as they come, so a long answer is never in memory as a whole. And a response may keep the
connection: after status and headers the app owns the socket, its thread ends, and a stream that lasts for hours costs
no thread.
"""

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True)
class Request:
    """A GET or HEAD request: the path without the query, the query as it was sent, the headers by lower-case name.

    `peer` is the address at the other end of the connection.
    """

    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""

    def header(self, name: str) -> str:
        """Return the header's value, empty when it was not sent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True)
class Response:
    """Status, headers and body; `keep`, where given, takes the connection once status and headers are sent."""

    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[socket.socket], None] | None = None


Pages = Callable[[Request], Response | None]
"""The app's pages; None for a path that they do not have."""
