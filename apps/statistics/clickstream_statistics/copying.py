"""`clickstream-statistics copy`: any of our JSON topics to Parquet by hour, each record once."""

from collections.abc import Sequence
from functools import partial

from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, configure_logs, print_error
from clickstream_core.service import Health, health_server
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown
from clickstream_statistics import copied
from clickstream_statistics.batches import Shape
from clickstream_statistics.errors import JobError
from clickstream_statistics.job import STALL_AFTER_S, Job, Runner
from clickstream_statistics.settings import APP, CopySettings

DESCRIPTION = (
    "Copies a topic to Parquet by year, month, day and hour of the records' timestamps, each record once: any of"
    " Clickstream's JSON topics, with their fields as columns."
)


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT."""
    settings = read_settings(CopySettings, prog=f"{APP} copy", description=DESCRIPTION, argv=argv)
    topic, place = settings.required()
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("statistics")
    health = Health(STALL_AFTER_S)
    with health_server(settings.service.http_port, health, listen=settings.service), Shutdown() as shutdown:
        announce("📊 Starting Clickstream Statistics: copy")
        announce(f"📥 Source: {topic}")
        announce(f"📤 Parquet: {place}\n")
        job = Job(topic, place, shape(topic))
        try:
            Runner(job, settings, health, shutdown.requested, lambda: "").run()
        except JobError as error:
            print_error(str(error), f"{APP} copy", __name__, as_json=settings.service.log_format == "json")
            return 1
        finally:
            health.set_ready(False, "shutting down")
    return 0


def shape(topic: str) -> Shape:
    """Return what a record of the topic becomes."""
    return Shape(partial(copied.rows, topic=topic), copied.stored, copied.groups, keeps_malformed=True)
