"""A page's files: read once at the start, sent with a hash in their address.

The files of all folders share one address, `/static/<hash of them all>/<name>`, and refer to each other relatively; so
a browser may keep them for a year, and a new version of any of them has a new address. A file that is asked for under
an older hash (by a page that came from another replica during a rollout) is sent too, but not kept. Text is compressed
when it is first asked for, once.

`SHARED` has the files for every page: Apache ECharts as its own minified build (`apps/web/fetch_echarts.sh` fetches
it), and `base.css`, the common styles.
"""

import gzip
import hashlib
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clickstream_web.requests import accepts_gzip, field
from clickstream_web.responses import PartedResponse, in_parts

SHARED = files("clickstream_web") / "static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_A_YEAR = "public, max-age=31536000, immutable"


class Asset:
    """One file, and how it is sent."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self.content = content
        self.content_type = content_type
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The content, gzipped."""
        return gzip.compress(self.content, 9, mtime=0)

    def response(self, request: Request, cache_control: str, vary: str = "Accept-Encoding") -> Response:
        """Return the file, or 304 when the browser has it already."""
        headers = {"Cache-Control": cache_control, "ETag": self.etag, "Vary": vary}
        if self.etag in field(request, "If-None-Match"):
            return Response(status_code=304, media_type=self.content_type, headers=headers)
        content = self.content
        if accepts_gzip(request):
            content, headers["Content-Encoding"] = self.compressed, "gzip"
        return PartedResponse(in_parts(content), len(content), self.content_type, headers)


class Assets:
    """The files below some folders, by their name there."""

    def __init__(self, *folders: Traversable) -> None:
        self._files = {
            name: Asset(file.read_bytes(), _TYPES[name[name.rindex(".") :]])
            for folder in folders
            for name, file in _walk(folder, "")
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
        return file.response(request, _A_YEAR if version == self.version else "no-cache")


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry))
    return found
