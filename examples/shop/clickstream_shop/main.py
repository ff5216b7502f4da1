"""`clickstream-shop`: a small demo shop with the snippet, to click in; `./setup.sh --local --collector` starts it.

It is a site like any other: it has its own origin and a strict content security policy, and the collector's address is
only in its pages. If the collector has the host by which a visitor reached the shop (http://*:8090), there is a set of
pages for each such host.
"""

import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from clickstream_core.listening import LOCALHOST, LOOPBACK, ListenSettings, listen_address, url_host
from clickstream_core.process import run
from clickstream_core.settings import matching, port, read_settings, setting
from clickstream_core.shutdown import Shutdown
from clickstream_shop.pages import LANGUAGES, Pages, read
from clickstream_web.requests import field, preferred_language
from clickstream_web.server import web_server
from clickstream_web.shell import application

_FILES = {
    "/shop.css": "text/css",
    "/shop.js": "text/javascript",
    "/art.svg": "image/svg+xml",
    "/icon.svg": "image/svg+xml",
}
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_MAX_HOSTS = 8


@dataclass(frozen=True)
class ShopSettings(ListenSettings):
    http_host: str = setting("HTTP_HOST", parse=listen_address, default=LOOPBACK, help="address to listen on")
    port: int = setting("SHOP_PORT", parse=port, default="8092", help="the shop's port", flag="--port")
    collector: str = setting(
        "COLLECTOR_URL",
        parse=matching(r"https?://(\*(:[0-9]{1,5})?|[A-Za-z0-9.:\[\]-]+)", "an origin such as http://localhost:8090"),
        default="http://localhost:8090",
        help="origin of the collector; * in http://*:8090 stands for the host by which the shop was reached",
        flag="--collector",
    )


class Shop:
    """The shop's routes. Its pages are made once for each origin of the collector."""

    def __init__(self, collector: str) -> None:
        self._collector = collector
        self._files = {path: read(path[1:]) for path in _FILES}
        self._front_for = lru_cache(maxsize=_MAX_HOSTS)(_Front)
        self.routes = [*(Route(path, self._file) for path in _FILES), Route("/{path:path}", self._page)]

    async def _file(self, request: Request) -> Response:
        path = request.scope["path"]
        return Response(self._files[path], headers=self._front(request).headers, media_type=_FILES[path])

    async def _page(self, request: Request) -> Response:
        front = self._front(request)
        wanted = request.query_params.get("lang") or preferred_language(field(request, "Accept-Language"), LANGUAGES)
        pages = front.pages.get(wanted or "", front.pages["en"])
        path = request.scope["path"]
        status = 200 if path in pages else 404
        return HTMLResponse(pages.get(path, pages[""]), status, {**front.headers, "Vary": "Accept-Language"})

    def _front(self, request: Request) -> "_Front":
        named = _HOST.fullmatch(request.headers.get("Host", ""))
        return self._front_for(self._collector.replace("*", named[1].lower() if named else LOCALHOST))


class _Front:
    """The pages and headers for one origin of the collector."""

    def __init__(self, collector: str) -> None:
        self.pages = {language: Pages(language, collector).all() for language in LANGUAGES}
        policy = (
            f"default-src 'none'; script-src 'self' {collector}; connect-src 'self' {collector}"
            f"; img-src 'self' {collector}"
            "; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        self.headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cache-Control": "no-cache",
        }


def shop_server(settings: ShopSettings) -> AbstractContextManager[None]:
    app = application(Shop(settings.collector).routes, settings, headers={})
    return web_server(app, settings.port, settings, setting="SHOP_PORT")


def serve() -> int:
    settings = read_settings(ShopSettings, prog="clickstream-shop", description="Serves the demo shop.")
    with Shutdown() as shutdown, shop_server(settings):
        url = f"http://{url_host(settings.http_host)}:{settings.port}/"
        print(f"✓ The shop is open: {url} (collector: {settings.collector})", flush=True)
        shutdown.requested.wait()
    return 0


def main() -> NoReturn:
    run(serve)


if __name__ == "__main__":
    main()
