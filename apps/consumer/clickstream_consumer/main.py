"""`clickstream-consumer`: the dashboard of the windows' results, in the terminal and as a page."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

from prometheus_client import CollectorRegistry

from clickstream_consumer.connection import Connection
from clickstream_consumer.feed import Feed
from clickstream_consumer.history import KEPT_MS
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.labels import LABELS
from clickstream_consumer.reader import MetricsReader
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.updates import Updates
from clickstream_consumer.view import view_for
from clickstream_consumer.website import Website
from clickstream_consumer.whole_topic import WholeTopic
from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, configure_logs
from clickstream_core.process import run
from clickstream_core.service import Health
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown, StopRequest
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_kafka.patches import apply_to_kafka_python
from clickstream_web.server import web_server
from clickstream_web.shell import application
from clickstream_web.visitors import Visitors

_NOT_FOUND = "not found; try /, /healthz, /readyz or /metrics"


def consume() -> int:
    """Show results until SIGTERM or Ctrl+C; return the exit status."""
    started_at = time.time_ns() // 1_000_000
    settings = read_settings(
        ConsumerSettings,
        prog="clickstream-consumer",
        description="Shows the clickstream's window results: live in a terminal, one block after another elsewhere.",
    )
    configure_logs(settings.service.log_level, settings.service.log_format, "clickstream-consumer")
    publish_build_info("consumer")
    library_errors = LibraryErrors()
    labels = LABELS[settings.language]
    health = Health()
    instruments = Instruments()
    instruments.unreadable(settings.metrics_topic, 0, 0)  # a series that starts at its first count has no rate
    apply_to_kafka_python(instruments.unreadable)
    with (
        Shutdown() as shutdown,
        _page(settings, started_at, library_errors, instruments, health, shutdown.requested),
    ):
        announce(f"🚀 {labels.starting}")
        announce(f"📥 {labels.source}: {settings.metrics_topic}")
        reader = MetricsReader(
            settings,
            lambda: Connection(settings, started_at, library_errors),
            instruments,
            wait=shutdown.requested.wait,
        )
        try:
            with view_for(settings, labels, sys.stdout) as view:
                while not shutdown.requested.is_set():
                    health.beat()
                    for result in reader.poll():
                        view.show(result)
                    health.set_ready(reader.status.ready, reader.status.why)
                    view.refresh(reader.status)
        finally:
            reader.close()
    return 0


@contextlib.contextmanager
def _page(
    settings: ConsumerSettings,
    started_at: int,
    library_errors: LibraryErrors,
    instruments: Instruments,
    health: Health,
    stop: StopRequest,
) -> Iterator[None]:
    """Serve the page, health and metrics, and read the topic for the page; do nothing without an HTTP port."""
    service = settings.service
    if service.http_port == 0:
        yield
        return
    reader = MetricsReader(
        settings,
        lambda: WholeTopic(settings, started_at - KEPT_MS, library_errors),
        # The group's reader counts and logs the same records.
        Instruments(CollectorRegistry()),
        wait=stop.wait,
        level=logging.DEBUG,
    )
    visitors = Visitors(settings.api_limit, settings.trusted_proxies, instruments.refused)
    updates = Updates(dropped=instruments.dropped_pages.inc)
    instruments.open_pages.set_function(lambda: len(updates.stream))
    instruments.kept_windows.set_function(lambda: len(updates.history))
    routes = Website(updates, visitors, settings.language).routes
    app = application(routes, service, health=health, not_found=_NOT_FOUND)
    with (
        web_server(app, service.http_port, service, before_stop=updates.stream.close),
        Feed(reader, updates, stop.is_set, stop.wait, instruments.known),
    ):
        yield


def main() -> NoReturn:
    """The entry point: exit status 2 for invalid settings, 0 after a stop."""
    run(consume)


if __name__ == "__main__":
    main()
