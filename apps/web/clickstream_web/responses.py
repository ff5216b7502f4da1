"""Answers sent in parts, so that a slow client never makes the server hold a large one twice."""

from collections.abc import Iterable, Iterator, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_PART_BYTES = 64 << 10


class PartedResponse(Response):
    """An answer of `length` bytes whose `parts` are taken one by one, each when the previous one has been sent."""

    def __init__(
        self, parts: Iterable[bytes | memoryview], length: int, media_type: str, headers: Mapping[str, str]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.media_type = media_type
        self._parts = parts
        self.init_headers({**headers, "Content-Length": str(length)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, without its body for HEAD."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self._parts if scope["method"] != "HEAD" else ():
            await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def in_parts(content: bytes) -> Iterator[memoryview]:
    whole = memoryview(content)
    for start in range(0, len(whole), _PART_BYTES):
        yield whole[start : start + _PART_BYTES]
