"""Sends requests to an ASGI application without a server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Answer:
    """A response of the application; headers by their lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(app: ASGIApp, target: str, method: str = "GET", **headers: str) -> Answer:
    """Send a request as a server would. Underscores in the names of `headers` become hyphens; `host` has a default."""
    path, _, query = target.partition("?")
    named = {"host": "localhost", **{name.replace("_", "-").lower(): text for name, text in headers.items()}}
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), text.encode()) for name, text in named.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8080),
    }
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start, *bodies = messages
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(each.get("body", b"") for each in bodies))
