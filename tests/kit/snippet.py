"""A site with clickstream.js, and a fake collector that answers as the test says.

Two servers on two ports are two origins, as in production.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from clickstream_local.ports import free_port

SNIPPET = Path(__file__).parents[2] / "apps" / "collector" / "clickstream_collector" / "web" / "clickstream.js"
Event = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The collector's answer to a request. `drop`: it closes the connection without one."""

    status: int = 200
    retry_after: int | None = None
    drop: bool = False


@dataclass
class Taken:
    """A request to /ingest. `status` is the answer's, 0 until then; `came` is its time.monotonic()."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    events: Sequence[Event]
    status: int = 0
    came: float = field(default_factory=time.monotonic)


@dataclass
class FakeCollector:
    """Serves the snippet and accepts events; `answer` chooses the answer to each request from its events."""

    port: int
    answer: Callable[[Sequence[Event]], Answer] = lambda events: Answer()
    requests: list[Taken] = field(default_factory=list)
    preflights: list[str] = field(default_factory=list)
    _going_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._going_on.set()

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self, status: int, retry_after: int | None = None) -> None:
        """Give this answer to every request from now on."""
        self.answer = lambda events: Answer(status, retry_after)

    def drops(self) -> None:
        """Close every connection without an answer from now on."""
        self.answer = lambda events: Answer(drop=True)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Answer nothing within this block; waiting requests are answered after it."""
        self._going_on.clear()
        try:
            yield
        finally:
            self._going_on.set()

    def sent(self, event_type: str | None = None) -> list[Event]:
        """The events of all requests, repeats included, whatever the answer."""
        return [each for taken in list(self.requests) for each in _only(event_type, taken.events)]

    def stored(self, event_type: str | None = None) -> list[Event]:
        """The events that were answered 2xx, repeats included."""
        answered = [taken for taken in list(self.requests) if 200 <= taken.status < 300]
        return [each for taken in answered for each in _only(event_type, taken.events)]


class WebSite:
    """A site where every path is a page; its snippet comes from `collector`."""

    def __init__(self, port: int, collector: FakeCollector) -> None:
        self.port = port
        self.collector = collector
        self.attributes = ""
        self.head = ""
        self.body = "<h1>A page</h1>"
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"

    def page(self, query: str) -> bytes:
        """The current page; without the snippet if the query is `plain`."""
        tag = f'<script src="{self.collector.url}/clickstream.js" defer {self.attributes}></script>'
        head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title>{self.head}'
        return f"{head}{'' if query == 'plain' else tag}</head><body>{self.body}</body></html>".encode()


@contextmanager
def fake_collector() -> Iterator[FakeCollector]:
    """Run a collector on a free port."""
    collector = FakeCollector(free_port())
    with _served(_collector_handler(collector), collector.port):
        try:
            yield collector
        finally:
            collector._going_on.set()


@contextmanager
def web_site(collector: FakeCollector) -> Iterator[WebSite]:
    """Run a site on a free port."""
    site = WebSite(free_port(), collector)
    with _served(_site_handler(site), site.port):
        yield site


def _only(event_type: str | None, events: Sequence[Event]) -> list[Event]:
    return [each for each in events if event_type in (None, each["event_type"])]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has disconnected is no error."""


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler], port: int) -> Iterator[None]:
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _collector_handler(collector: FakeCollector) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def do_GET(self) -> None:
            script = {"Content_Type": "text/javascript; charset=utf-8", "Access_Control_Allow_Origin": "*"}
            if urlsplit(self.path).path == "/clickstream.js":
                self.reply(200, SNIPPET.read_bytes(), **script)
            else:
                self.reply(404)

        def do_OPTIONS(self) -> None:
            collector.preflights.append(self.path)
            allowed = {"Access_Control_Allow_Methods": "POST", "Access_Control_Allow_Headers": "content-type"}
            self.reply(204, b"", Access_Control_Allow_Origin="*", **allowed)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = urlsplit(self.path)
            events = json.loads(body)
            taken = Taken(parts.path, dict(parse_qsl(parts.query)), dict(self.headers), body, events)
            collector.requests.append(taken)
            answer = collector.answer(events)
            collector._going_on.wait()
            if answer.drop:
                self.close_connection = True
                return
            taken.status = answer.status
            headers = {"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "Retry-After"}
            if answer.retry_after is not None:
                headers["Retry_After"] = str(answer.retry_after)
            accepted = {"status": "ok", "accepted": len(events), "rejected": []}
            self.reply(answer.status, json.dumps(accepted).encode(), Content_Type="application/json", **headers)

    return Handler


def _site_handler(site: WebSite) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def do_GET(self) -> None:
            if self.path == "/favicon.ico":
                self.reply(204)
                return
            body = site.page(urlsplit(self.path).query)
            headers = {name.replace("-", "_"): value for name, value in site.headers.items()}
            self.reply(200, body, Content_Type="text/html; charset=utf-8", Cache_Control="no-store", **headers)

    return Handler
