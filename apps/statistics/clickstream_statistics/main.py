"""The statistics: results to Parquet by hour and to Redis, each once.

From top to bottom: settings, Redis' writer in a thread of its own, and the job with its query until a signal.
"""

import sys
import threading
from collections.abc import Sequence
from importlib import import_module

from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, configure_logs, print_error
from clickstream_core.process import run
from clickstream_core.service import Health, health_server
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_statistics import results
from clickstream_statistics.batches import Shape
from clickstream_statistics.errors import JobError
from clickstream_statistics.job import STALL_AFTER_S, Job, Runner
from clickstream_statistics.redis_writer import RedisWriter, client
from clickstream_statistics.settings import APP, StatisticsSettings

DESCRIPTION = (
    "Stores the results of clickstream-scenario-results as Parquet by hour, and keeps each scenario's success ratio in"
    " Redis. Another command: clickstream-statistics copy --topic TOPIC --to PLACE."
)
_LAST_WRITE_S = 1.5


def main() -> None:
    """Run until SIGTERM or SIGINT; `copy` as the first argument is the other command."""
    apply_to_aiokafka()
    command, *arguments = sys.argv[1:] or ["run"]
    if command == "copy":
        run(lambda: int(import_module("clickstream_statistics.copying").main(arguments)))
    run(lambda: _main(arguments if command == "run" else sys.argv[1:]))


def _main(argv: Sequence[str]) -> int:
    settings = read_settings(StatisticsSettings, prog=APP, description=DESCRIPTION, argv=argv)
    place = settings.required()
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("statistics")
    health = Health(STALL_AFTER_S)
    with health_server(settings.service.http_port, health, listen=settings.service), Shutdown() as shutdown:
        announce("📊 Starting Clickstream Statistics")
        announce(f"📥 Source: {settings.scenario_results_topic}")
        announce(f"📤 Parquet: {place}\n")
        job = Job(settings.scenario_results_topic, place, RESULTS)
        writer = RedisWriter(client(settings.redis), lambda: runner.ledger)
        runner = Runner(job, settings, health, shutdown.requested, lambda: writer.waiting_for)
        stopping = threading.Event()
        writing = threading.Thread(
            target=writer.run, args=(settings.query.trigger_interval / 1000, stopping), name="redis", daemon=True
        )
        writing.start()
        try:
            runner.run()
        except JobError as error:
            print_error(str(error), APP, __name__, as_json=settings.service.log_format == "json")
            return 1
        finally:
            health.set_ready(False, "shutting down")
            stopping.set()
            writing.join(_LAST_WRITE_S)
    return 0


RESULTS = Shape(results.rows, results.stored, results.groups, keeps_malformed=False)

if __name__ == "__main__":
    main()
