"""`helm test` of the collector."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from clickstream_collector.check import check
from clickstream_local.ports import free_port
from kit.processes import Apps
from kit.topics import PipelineTopics

SITE = {"SITE_KEYS": "shop,blog", "ALLOWED_ORIGINS": "https://*.example.com,https://example.org"}


@dataclass
class Collector:
    """A collector as its check sees it: what was posted, and how often the first posts are refused."""

    address: str = ""
    refusals: int = 0
    acknowledges: bool = True
    refuses_xml: bool = True
    readable: bool = True
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        self.posts.append((path, headers, body))
        if headers["content-type"] != "application/json":
            return (415, "{}") if self.refuses_xml else (200, "{}")
        if len(self.posts) <= self.refusals or not self.acknowledges:
            return 503, '{"status":"error","error":"Kafka is away"}'
        return 200, '{"status":"ok","received":{}}'


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """One that listens; no site is configured."""
    for name in SITE:
        monkeypatch.delenv(name, raising=False)
    served = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            status, text = served.answer(self.path, headers, body)
            self.send_response(status)
            if served.readable:
                self.send_header("Access-Control-Allow-Origin", headers["origin"])
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def test_it_posts_one_event_until_it_is_acknowledged(collector: Collector) -> None:
    collector.refusals = 2
    check(collector.address, patience_s=30, pause_s=0.01)
    *events, xml = collector.posts
    assert len(events) == 3
    assert len({body for _, _, body in events}) == 1, "with its event_id, so that it is one record"
    assert {path for path, _, _ in collector.posts} == {"/ingest"}
    assert all(headers["user-agent"].startswith("Mozilla/5.0") for _, headers, _ in collector.posts)
    assert xml[1]["content-type"] == "application/xml"


def test_it_comes_from_an_allowed_site(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SITE.items():
        monkeypatch.setenv(name, value)
    check(collector.address, patience_s=30, pause_s=0.01)
    for path, headers, _ in collector.posts:
        assert (path, headers["origin"]) == ("/ingest?key=shop", "https://helm-test.example.com")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("acknowledges", "FAILED: .*/ingest: 503 "),
        ("refuses_xml", "FAILED: application/xml is answered with 200 {} instead of 415"),
        ("readable", "FAILED: the page may not read the answer .allowed origin: none."),
    ],
)
def test_it_fails_and_says_why(collector: Collector, fault: str, message: str) -> None:
    setattr(collector, fault, False)
    with pytest.raises(SystemExit, match=message):
        check(collector.address, patience_s=0.3, pause_s=0.01)


def test_it_passes_on_the_collector_itself(topics: PipelineTopics, apps: Apps, monkeypatch: pytest.MonkeyPatch) -> None:
    app = apps.start("clickstream_collector.main", environ={**topics.environ, **SITE, "ADMIN_PORT": str(free_port())})
    for name, value in SITE.items():
        monkeypatch.setenv(name, value)

    check(f"http://127.0.0.1:{app.http_port}", patience_s=60, pause_s=0.1)

    (event,) = topics.read(topics.events, "read_uncommitted")
    assert event.key == b"helm-test"
    assert json.loads(event.value or b"")["page_url"] == "/helm-test"
