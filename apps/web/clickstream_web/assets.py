"""A page's files: read once at the start, and served with a hash in their address.

The address is `/static/<hash of all files>/<name>`, and files refer to each other relatively; so browsers may cache
them for a year, and a new version of any file has a new address. A request with an older hash (from a page of another
replica during a rollout) gets the file too, but not for the cache. Files are compressed once, at their first request.
"""

import gzip
import hashlib
import html
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clickstream_web.requests import accepts_gzip, field
from clickstream_web.responses import PartedResponse, in_parts

SHARED = Path(__file__).parent / "static"  # `base.css`, and ECharts' own build (apps/web/fetch_echarts.sh)

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")
_CACHED_A_YEAR = "public, max-age=31536000, immutable"


class Asset:
    def __init__(self, content: bytes, content_type: str) -> None:
        self.content = content
        self.content_type = content_type
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, 9, mtime=0)

    def response(self, request: Request, cache_control: str, vary: str = "Accept-Encoding") -> Response:
        """Return the file, or 304 when the browser has it."""
        headers = {"Cache-Control": cache_control, "ETag": self.etag, "Vary": vary}
        if self.etag in field(request, "If-None-Match"):
            return Response(status_code=304, media_type=self.content_type, headers=headers)
        content = self.content
        if accepts_gzip(request):
            content, headers["Content-Encoding"] = self.compressed, "gzip"
        return PartedResponse(in_parts(content), len(content), self.content_type, headers)


class Assets:
    """The files below some folders, by name."""

    def __init__(self, *folders: Path) -> None:
        self._files = {
            file.relative_to(folder).as_posix(): Asset(file.read_bytes(), _TYPES[file.suffix])
            for folder in folders
            for file in folder.rglob("*")
            if file.is_file()
        }
        digest = hashlib.sha256()
        for name, file in sorted(self._files.items()):
            digest.update(f"{name} {file.etag}\n".encode())
        self.version = digest.hexdigest()[:16]
        self.route = Route("/static/{name:path}", self._answer)

    def __getitem__(self, name: str) -> Asset:
        return self._files[name]

    async def _answer(self, request: Request) -> Response:
        version, _, name = request.path_params["name"].partition("/")
        file = self._files.get(name)
        if file is None:
            return PlainTextResponse("no such file\n", 404)
        return file.response(request, _CACHED_A_YEAR if version == self.version else "no-cache")


def filled(template: str, values: Mapping[str, str]) -> str:
    """Replace each {{name}} by its value, which is escaped unless its name ends in _html."""

    def value(place: re.Match[str]) -> str:
        return values[place[1]] if place[1].endswith("_html") else html.escape(values[place[1]])

    return _PLACE.sub(value, template)
