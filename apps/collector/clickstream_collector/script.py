"""Files that the collector hands out: the browser snippet and the description of its interface."""

import gzip
import hashlib
from importlib.resources import files

from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering
from clickstream_collector.errors import Refused


class File:
    """One file of the package's `web/`, an ASGI application: kept by caches for `seconds`, asked for again after."""

    def __init__(self, name: str, content_type: str, endpoint: str, seconds: int) -> None:
        self._content = (files("clickstream_collector") / "web" / name).read_bytes()
        self._compressed = gzip.compress(self._content, 9, mtime=0)
        self._etag = f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'.encode()
        self._endpoint = endpoint
        self._headers = [
            (b"content-type", content_type.encode()),
            (b"cache-control", f"public, max-age={seconds}".encode()),
            (b"etag", self._etag),
            (b"vary", b"accept-encoding"),
            (b"access-control-allow-origin", b"*"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        async with answering(self._endpoint, send) as answer:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, f"{scope['method']} is not allowed here; GET is", {"Allow": "GET, HEAD"})
            if self._etag in headers.get(b"if-none-match", b""):
                await answer(Answer(304, headers=self._headers))
                return
            body, encoding = self._content, []
            if b"gzip" in headers.get(b"accept-encoding", b""):
                body, encoding = self._compressed, [(b"content-encoding", b"gzip")]
            await answer(Answer(200, b"" if scope["method"] == "HEAD" else body, [*self._headers, *encoding]))
