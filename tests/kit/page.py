"""The consumer's page, served without Kafka: it shows the windows that the test adds."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from clickstream_consumer.results import WindowResult
from clickstream_consumer.updates import Updates
from clickstream_consumer.website import Website
from clickstream_core.service import Health
from clickstream_core.timestamps import format_seconds
from clickstream_core.window_metrics import WindowMetrics
from clickstream_local.ports import free_port
from clickstream_web.server import web_server
from clickstream_web.shell import application
from clickstream_web.visitors import Visitors

NOW = 1_790_000_010_000
"""The end of the newest window that `Site.fill` adds: in September 2026, on a half minute."""


class Site:
    """The page, served on `port`; it shows the windows that the test adds to `updates`."""

    def __init__(self, port: int, updates: Updates, reference: WindowMetrics) -> None:
        self.port = port
        self.updates = updates
        self.history = updates.history
        self.stream = updates.stream
        self._reference = reference
        self._offset = 0

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}/"

    def ready(self) -> None:
        """As the feed does once it has read the topic to its end."""
        self.updates.history_is_complete()
        self.updates.status("ready")

    def add(self, number: int, receipt: bytes | None = None, **fields: Any) -> WindowResult:
        """Add the result of the 30-second window that ends `number` windows after NOW (negative: before)."""
        end = NOW + number * 30_000
        bounds = {"window_start": format_seconds(end - 30_000), "window_end": format_seconds(end)}
        metrics = msgspec.structs.replace(self._reference, **(bounds | fields))
        result = WindowResult.of(metrics, self._offset % 3, self._offset // 3, consumed=1, receipt=receipt)
        self._offset += 1
        self.history.add(result)
        return result

    def fill(self, windows: int) -> None:
        """Add so many windows, the newest ending at NOW."""
        for number in range(1 - windows, 1):
            self.add(number, total_events=3000 + number % 7)

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower-case names) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()


@contextmanager
def served_page(
    reference: WindowMetrics, port: int = 0, heartbeat_seconds: float = 0.5, visitors: Visitors | None = None
) -> Iterator[Site]:
    """Serve the page, on a free port unless given; windows that are added are the `reference` with other bounds.

    Without `visitors` there is no limit.
    """
    port = port or free_port()
    updates = Updates(heartbeat_seconds)
    app = application(Website(updates, visitors or Visitors()).routes, health=Health(stall_after_s=1e9))
    with web_server(app, port, before_stop=updates.stream.close):
        yield Site(port, updates, reference)
