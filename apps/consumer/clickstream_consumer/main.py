"""`clickstream-consumer`: the dashboard of the windows' results."""

import sys
import time
from typing import NoReturn

from clickstream_consumer.connection import Connection, LibraryComplaints
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.labels import labels_for
from clickstream_consumer.reader import MetricsReader
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.view import view_for
from clickstream_core.logs import announce, configure_logs
from clickstream_core.service import Health, HealthServer
from clickstream_core.settings import read_settings, run
from clickstream_core.shutdown import Shutdown


def consume() -> int:
    """Show results until SIGTERM or Ctrl+C; return the exit status."""
    started_at = time.time_ns() // 1_000_000
    settings = read_settings(
        ConsumerSettings,
        prog="clickstream-consumer",
        description="Shows the clickstream's window results: live in a terminal, one block after another elsewhere.",
    )
    configure_logs(settings.service.log_level, settings.service.log_format, "consumer")
    complaints = LibraryComplaints()
    labels = labels_for(settings.language)
    health = Health()
    with Shutdown() as shutdown, HealthServer(settings.service.http_port, health):
        announce(f"🚀 {labels.starting}")
        announce(f"📥 {labels.source}: {settings.topics.metrics_topic}")
        reader = MetricsReader(
            settings,
            lambda: Connection(settings, started_at, complaints),
            Instruments(),
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


def main() -> NoReturn:
    """The entry point: exit status 2 for settings that are not allowed, 0 after a stop."""
    run(consume)


if __name__ == "__main__":
    main()
