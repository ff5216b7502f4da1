"""The collector under test: started on a test's topics, and clients that send to it."""

import urllib.error
import urllib.request
from collections.abc import Mapping

from clickstream_local.ports import free_port
from kit.processes import App, Apps
from kit.topics import PipelineTopics


class Collector:
    """A running collector. `app` is its process with the admin port; `port` is the public one."""

    def __init__(self, app: App, port: int) -> None:
        self.app = app
        self.port = port

    def ingest(self, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """POST /ingest; returns the status, 0 if there is no answer within 10 s."""
        return self._status("/ingest", body, {"Content-Type": "application/json", **(headers or {})})

    def pixel(self, query: str) -> int:
        """GET /pixel.gif?query; returns the status."""
        return self._status(f"/pixel.gif?{query}", None, {})

    def _status(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> int:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0


def start_collector(apps: Apps, topics: PipelineTopics, **settings: str) -> Collector:
    """Start one collector on two free ports and wait until it is ready."""
    port, admin_port = free_port(), free_port()
    ports = {"HTTP_PORT": str(port), "ADMIN_PORT": str(admin_port)}
    started = apps.start("clickstream_collector.main", environ=topics.environ | ports, **settings)
    app = App(started.child, started.log, admin_port)
    app.wait_until_ready(60)
    return Collector(app, port)
