"""`python -m clickstream_local.shop`: a small demo shop with the snippet, to click on; `--local --collector` starts it.

It is a site like any other: on an origin of its own, under a strict content security policy, and it knows the collector
only by the address in its pages. Where that is to be looked for at the host by which a visitor asked for the shop
(http://*:8090), there are pages for each such host.
"""

import re
import socket
import threading
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from urllib.parse import parse_qs, urlsplit

from clickstream_core.listening import (
    ALL_ADDRESSES,
    LOCALHOST,
    LOOPBACK,
    MISDIRECTED,
    ListenSettings,
    family_of,
    listen_address,
    url_host,
)
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
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_MOST_HOSTS = 8
_THIS_MACHINE = ListenSettings(LOOPBACK)


@dataclass(frozen=True)
class ShopSettings(ListenSettings):
    """Where the shop is served, and where its clicks go."""

    http_host: str = setting("HTTP_HOST", parse=listen_address, default=LOOPBACK, help="address that it listens on")
    port: int = setting(
        "SHOP_PORT", parse=integer(minimum=1, maximum=65535), default="8092", help="the shop's port", flag="--port"
    )
    collector: str = setting(
        "COLLECTOR_URL",
        parse=matching(r"https?://(\*(:[0-9]{1,5})?|[A-Za-z0-9.:\[\]-]+)", "an origin such as http://localhost:8090"),
        default="http://localhost:8090",
        help="origin of the collector; in http://*:8090 the host is the one by which the shop was asked for",
        flag="--collector",
    )


class Shop:
    """The shop's answers, all of them made beforehand for each origin of the collector."""

    def __init__(self, collector: str) -> None:
        self._collector = collector
        self._files = {path: read(path[1:]).encode() for path in _FILES}
        self._made_for = lru_cache(maxsize=_MOST_HOSTS)(_Front)

    def answer(self, target: str, accepted_language: str, host: str = "") -> tuple[HTTPStatus, dict[str, str], bytes]:
        """Return status, headers and body for a request's target; without `lang=` the browser's language decides.

        `host` is the request's Host.
        """
        named = _HOST.fullmatch(host)
        front = self._made_for(self._collector.replace("*", named[1].lower() if named else LOCALHOST))
        parts = urlsplit(target)
        if parts.path in self._files:
            return HTTPStatus.OK, {**front.headers, "Content-Type": _FILES[parts.path]}, self._files[parts.path]
        wanted = parse_qs(parts.query).get("lang", [accepted_language.lower()[:2]])[0]
        pages = front.pages[wanted if wanted in LANGUAGES else "en"]
        headers = {**front.headers, "Content-Type": _HTML, "Vary": "Accept-Language"}
        if parts.path not in pages or not parts.path:
            return HTTPStatus.NOT_FOUND, headers, pages[""]
        return HTTPStatus.OK, headers, pages[parts.path]


class _Front:
    """Pages and headers that name one origin of the collector."""

    def __init__(self, collector: str) -> None:
        self.pages = {language: Pages(language, collector).all() for language in LANGUAGES}
        policy = (
            f"default-src 'none'; script-src 'self' {collector}; connect-src 'self' {collector}"
            f"; img-src 'self' {collector}"
            "; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        self.headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin-when-cross-origin",
            "Cache-Control": "no-cache",
        }


class ShopServer(ThreadingHTTPServer):
    """Serves a shop on the address and for the hosts that `listen` names."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, shop: Shop, listen: ListenSettings = _THIS_MACHINE) -> None:
        self.address_family = family_of(listen.http_host)
        self.shop = shop
        self.listen = listen
        super().__init__((listen.http_host, port), _Handler)

    def server_bind(self) -> None:
        """Listen on the address, and where it is all of IPv6's on IPv4's too."""
        if self.server_address[0] == ALL_ADDRESSES:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        TCPServer.server_bind(self)  # HTTPServer's would ask the DNS for the address' name
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


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
        hosts = self.headers.get_all("Host", [])
        if not all(map(self.server.listen.answers_for, hosts)):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, MISDIRECTED)
            return
        language = self.headers.get("Accept-Language", "")
        status, headers, body = self.server.shop.answer(self.path, language, hosts[0] if hosts else "")
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def main() -> int:
    """Serve the shop until SIGTERM or SIGINT."""
    settings = read_settings(ShopSettings, prog="python -m clickstream_local.shop", description="Serves the demo shop.")
    with Shutdown() as shutdown, ShopServer(settings.port, Shop(settings.collector), settings) as server:
        thread = threading.Thread(target=server.serve_forever, name="shop", daemon=True)
        thread.start()
        url = f"http://{url_host(settings.http_host)}:{settings.port}/"
        print(f"✓ The shop is open: {url} (collector: {settings.collector})", flush=True)
        shutdown.requested.wait()
        server.shutdown()
        thread.join()
    return 0


if __name__ == "__main__":
    run(main)
