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
from clickstream_consumer.history import KEPT_MS, WindowHistory
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.labels import labels_for
from clickstream_consumer.reader import MetricsReader
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.stream import EventStream
from clickstream_consumer.view import view_for
from clickstream_consumer.visitors import Visitors
from clickstream_consumer.website import Website
from clickstream_consumer.whole_topic import WholeTopic
from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, configure_logs
from clickstream_core.pages import Pages
from clickstream_core.process import run
from clickstream_core.service import Health, HealthServer
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown, StopRequest
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_kafka.patches import apply_to_kafka_python


def consume() -> int:
    """Show results until SIGTERM or Ctrl+C; return the exit status."""
    started_at = time.time_ns() // 1_000_000
    settings = read_settings(
        ConsumerSettings,
        prog="clickstream-consumer",
        description="Shows the clickstream's window results: live in a terminal, one block after another elsewhere.",
    )
    configure_logs(settings.service.log_level, settings.service.log_format, "consumer")
    publish_build_info("consumer")
    library_errors = LibraryErrors()
    labels = labels_for(settings.language)
    health = Health()
    instruments = Instruments()
    instruments.unreadable(settings.topics.metrics_topic, 0, 0)  # a series that begins with its first count has no rate
    apply_to_kafka_python(instruments.unreadable)
    with (
        Shutdown() as shutdown,
        _pages(settings, started_at, library_errors, instruments, shutdown.requested) as pages,
        HealthServer(settings.service.http_port, health, pages=pages, listen=settings.service),
    ):
        announce(f"🚀 {labels.starting}")
        announce(f"📥 {labels.source}: {settings.topics.metrics_topic}")
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
def _pages(
    settings: ConsumerSettings,
    started_at: int,
    library_errors: LibraryErrors,
    instruments: Instruments,
    stop: StopRequest,
) -> Iterator[Pages | None]:
    """The page and what fills it; nothing without an HTTP port."""
    if settings.service.http_port == 0:
        yield None
        return
    reader = MetricsReader(
        settings,
        lambda: WholeTopic(settings, started_at - KEPT_MS, library_errors),
        # The group's reader counts and logs; this one reads the same once more.
        Instruments(CollectorRegistry()),
        wait=stop.wait,
        level=logging.DEBUG,
    )
    visitors = Visitors(settings.api_limit, settings.trusted_proxies, instruments.page_refused)
    with EventStream(dropped=instruments.page_dropped, most_of_one=visitors.most_streams) as stream:
        history = WindowHistory(stream.window)
        stream.follow(history)
        instruments.watch_page(lambda: len(stream), lambda: len(history))
        with Feed(reader, history, stream, stop.is_set, stop.wait, instruments.known):
            yield Website(history, stream, settings.language, visitors)


def main() -> NoReturn:
    """The entry point: exit status 2 for settings that are not allowed, 0 after a stop."""
    run(consume)


if __name__ == "__main__":
    main()
