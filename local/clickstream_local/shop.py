"""`python -m clickstream_local.shop`: a small demo shop with the snippet, to click on; `--local --collector` starts it.

It is a site like any other: on an origin of its own, under a strict content security policy, and it knows the collector
only by the address in its pages.
"""

import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from clickstream_core.process import run
from clickstream_core.settings import integer, matching, read_settings, setting
from clickstream_core.shutdown import Shutdown
from clickstream_local.shop_pages import LANGUAGES, Pages, read

_FILES = {
    "/shop.css": "text/css; charset=utf-8",
    "/shop.js": "text/javascript; charset=utf-8",
    "/art.svg": "image/svg+xml",
    "/icon.svg": "image/svg+xml",
}
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class ShopSettings:
    """Where the shop is served, and where its clicks go."""

    port: int = setting(
        "SHOP_PORT", parse=integer(minimum=1, maximum=65535), default="8092", help="the shop's port", flag="--port"
    )
    collector: str = setting(
        "COLLECTOR_URL",
        parse=matching(r"https?://[A-Za-z0-9.:\[\]-]+", "an origin such as http://localhost:8090"),
        default="http://localhost:8090",
        help="origin of the collector",
        flag="--collector",
    )


class Shop:
    """The shop's answers, all of them made beforehand."""

    def __init__(self, collector: str) -> None:
        self._pages = {language: Pages(language, collector).all() for language in LANGUAGES}
        self._files = {path: read(path[1:]).encode() for path in _FILES}
        policy = (
            f"default-src 'none'; script-src 'self' {collector}; connect-src 'self' {collector}"
            f"; img-src 'self' {collector}"
            "; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cache-Control": "no-cache",
        }

    def answer(self, target: str, accepted_language: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
        """Return status, headers and body for a request's target; without `lang=` the browser's language decides."""
        parts = urlsplit(target)
        if parts.path in self._files:
            return HTTPStatus.OK, {**self._headers, "Content-Type": _FILES[parts.path]}, self._files[parts.path]
        wanted = parse_qs(parts.query).get("lang", [accepted_language.lower()[:2]])[0]
        pages = self._pages[wanted if wanted in LANGUAGES else "en"]
        headers = {**self._headers, "Content-Type": _HTML, "Vary": "Accept-Language"}
        if parts.path not in pages or not parts.path:
            return HTTPStatus.NOT_FOUND, headers, pages[""]
        return HTTPStatus.OK, headers, pages[parts.path]


class ShopServer(ThreadingHTTPServer):
    """Serves a shop on 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, shop: Shop) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.shop = shop


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: ShopServer

    def do_GET(self) -> None:
        self._reply(with_body=True)

    def do_HEAD(self) -> None:
        self._reply(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Visits are the collector's business."""

    def _reply(self, with_body: bool) -> None:
        status, headers, body = self.server.shop.answer(self.path, self.headers.get("Accept-Language", ""))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def main() -> int:
    """Serve the shop until SIGTERM or SIGINT."""
    settings = read_settings(ShopSettings, prog="python -m clickstream_local.shop", description="Serves the demo shop.")
    with Shutdown() as shutdown, ShopServer(settings.port, Shop(settings.collector)) as server:
        thread = threading.Thread(target=server.serve_forever, name="shop", daemon=True)
        thread.start()
        print(f"✓ The shop is open: http://localhost:{settings.port}/ (collector: {settings.collector})", flush=True)
        shutdown.requested.wait()
        server.shutdown()
        thread.join()
    return 0


if __name__ == "__main__":
    run(main)
