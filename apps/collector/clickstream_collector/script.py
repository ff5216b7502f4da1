"""The files that the collector serves: the browser snippet and the OpenAPI description."""

import gzip
import hashlib
from importlib.resources import files

from starlette.types import Receive, Scope, Send

from clickstream_collector.answers import Answer, answering
from clickstream_collector.errors import Refused
from clickstream_collector.headers import Headers, elements, fields


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
        headers = fields(scope["headers"])
        async with answering(self._endpoint, send) as answer:
            if scope["method"] not in ("GET", "HEAD"):
                raise Refused(405, f"{scope['method']} is not allowed here; use GET", {"Allow": "GET, HEAD"})
            known = elements(headers, b"if-none-match")
            if "*" in known or self._etag in (tag.removeprefix("W/").encode("latin-1") for tag in known):
                await answer(Answer(304, headers=self._headers))
                return
            body, encoding = self._content, []
            if _takes_gzip(headers):
                body, encoding = self._compressed, [(b"content-encoding", b"gzip")]
            await answer(Answer(200, b"" if scope["method"] == "HEAD" else body, [*self._headers, *encoding]))


def _takes_gzip(headers: Headers) -> bool:
    """Whether the client takes gzip: it is listed, or a `*` is, with a weight that is not 0 (RFC 9110, 12.5.3)."""
    weights: dict[str, float] = {}
    for element in elements(headers, b"accept-encoding"):
        coding, _, parameter = element.lower().partition(";")
        name, _, value = parameter.partition("=")
        try:
            weights[coding.strip()] = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
    return max(weights.get("gzip", weights.get("*", 0.0)), weights.get("x-gzip", 0.0)) > 0
