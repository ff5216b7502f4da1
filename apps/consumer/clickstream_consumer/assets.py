"""The page's files: read once at the start, sent with a hash in their address.

All files below `web/` share one address, `/static/<hash of them all>/<name>`, and refer to each other relatively; so a
browser may keep them for a year, and a new version of any of them is a new address. A file that is asked for under an
older hash (the page came from another replica during a rollout) is sent all the same, but not kept. Text is compressed
when it is first asked for, once.
"""

import gzip
import hashlib
from functools import cached_property
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from clickstream_core.pages import Request, Response

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

    def response(self, request: Request, cache_control: str) -> Response:
        """Return the file, or 304 when the browser has it already."""
        headers = {"Cache-Control": cache_control, "ETag": self.etag, "Vary": "Accept-Encoding"}
        if self.etag in request.header("If-None-Match"):
            return Response(content_type=self.content_type, status=HTTPStatus.NOT_MODIFIED, headers=headers)
        if accepts_gzip(request):
            return Response(self.compressed, self.content_type, headers=headers | {"Content-Encoding": "gzip"})
        return Response(self.content, self.content_type, headers=headers)


class Assets:
    """The files below `web/`, by their name there."""

    def __init__(self) -> None:
        self._files = {
            name: Asset(file.read_bytes(), _TYPES[name[name.rindex(".") :]])
            for name, file in _walk(files("clickstream_consumer") / "web", "")
        }
        digest = hashlib.sha256()
        for name, file in sorted(self._files.items()):
            digest.update(f"{name} {file.etag}\n".encode())
        self.version = digest.hexdigest()[:16]

    def __getitem__(self, name: str) -> Asset:
        return self._files[name]

    def answer(self, request: Request) -> Response | None:
        """Return the file of /static/<hash>/<name>; None when there is none."""
        _, _, version, *rest = request.path.split("/")
        file = self._files.get("/".join(rest))
        if file is None:
            return None
        return file.response(request, _A_YEAR if version == self.version else "no-cache")


def accepts_gzip(request: Request) -> bool:
    """Whether the browser takes a gzipped answer."""
    return any(
        offer.split(";")[0].strip().lower() == "gzip" and not offer.replace(" ", "").endswith(";q=0")
        for offer in request.header("Accept-Encoding").split(",")
    )


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry))
    return found
