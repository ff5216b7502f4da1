"""The producer's entry point: settings, health server, generating processes, summary."""

import random
import time
from collections.abc import Callable
from typing import NoReturn

import prometheus_client

from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import configure_logs
from clickstream_core.process import run
from clickstream_core.service import Health, health_server
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import Shutdown, StopRequest
from clickstream_kafka.patches import apply_to_kafka_python
from clickstream_producer.generation import Share, generate
from clickstream_producer.kafka_client import assert_fast_checksums
from clickstream_producer.metrics import ProgressCollector
from clickstream_producer.progress import Condition, Progress
from clickstream_producer.report import Reporter
from clickstream_producer.settings import APP, ProducerSettings
from clickstream_producer.workers import process_count, run_processes


def main() -> NoReturn:
    """Run the command `clickstream-producer` and exit: 0 when every event is in Kafka, 1 when not, 2 for settings."""
    run(produce)


def produce() -> int:
    settings = read_settings(ProducerSettings, prog=APP, description="Simulated users whose clicks go to Kafka.")
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("producer")
    assert_fast_checksums()
    apply_to_kafka_python()
    seed = random.SystemRandom().getrandbits(64) if settings.seed is None else settings.seed
    count = process_count(settings.rate)
    shares = [Share(index, count, seed) for index in range(count)]
    watcher = Watcher(settings)
    with Shutdown() as shutdown, health_server(settings.service.http_port, watcher.health, listen=settings.service):
        if count == 1:
            generate(settings, shares[0], DirectControl(watcher, shutdown.requested))
        else:
            run_processes(settings, shares, shutdown.requested, watcher.update, connected=watcher.reporter.started)
        watcher.reporter.summary(watcher.progress)
    return watcher.exit_status()


class Watcher:
    """Publishes a run's progress: in the log, the metrics and the health endpoints."""

    def __init__(self, settings: ProducerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.health = Health()
        self.reporter = Reporter(settings, clock)
        self._collector = ProgressCollector(settings.rate)
        prometheus_client.REGISTRY.register(self._collector)

    @property
    def progress(self) -> Progress:
        return self._collector.progress

    def update(self, progress: Progress) -> None:
        self._collector.progress = progress
        self.health.beat()
        ready = progress.condition is Condition.RUNNING
        self.health.set_ready(ready, progress.why if not ready else "")
        self.reporter.update(progress)

    def exit_status(self) -> int:
        """Return 0 if the run reached Kafka and everything accepted is there, else 1."""
        last = self.progress
        complete = last.condition is not Condition.CONNECTING and not last.in_flight and not last.failed
        return 0 if complete and not last.error else 1


class DirectControl:
    """Connects a generating loop in this process with its watcher and the signals."""

    def __init__(self, watcher: Watcher, stop: StopRequest) -> None:
        self.report = watcher.update
        self.wait = stop.wait
        self._started = watcher.reporter.started

    def wait_for_start(self) -> float | None:
        """Report that Kafka is connected, and start: one process need not wait for others."""
        self._started()
        return time.monotonic()


if __name__ == "__main__":
    main()
