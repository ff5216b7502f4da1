"""What `--archive` starts: SeaweedFS, unless `--archive-to` names another place, and one Kafka Connect worker.

Both are started again when they end, and so is the connector's task: it ends when the place is away, and goes on where
its last commit ended. What makes this exact stands in Kafka and in the table: Connect commits the source offsets
together with the names of the files that it has written, and the table's snapshot notes up to where these names were
committed.
"""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clickstream_kafka.settings import KafkaSettings, TopicSettings
from clickstream_local.archive_place import Place, seaweedfs_place, users_place
from clickstream_local.archive_settings import is_default, write_settings
from clickstream_local.children import Child
from clickstream_local.connect import ConnectWorker
from clickstream_local.connector import CLUSTER_PROPERTY, NAME, SINK_PROPERTY, Sink, connector_config, new_sink
from clickstream_local.errors import ArchiveFailed
from clickstream_local.failures import first_cause
from clickstream_local.interruption import StopSignals
from clickstream_local.jars import CONNECT, fetched
from clickstream_local.java import find_java
from clickstream_local.kept import Kept
from clickstream_local.place_check import check_place
from clickstream_local.raw_table import FindTable, RawTable, table_in_catalog
from clickstream_local.screen import Screen
from clickstream_local.seaweedfs import VERSION, SeaweedFS, find_weed
from clickstream_local.settings import LocalSettings, ScenarioTopicSettings
from clickstream_local.sink_offsets import cluster_id_of, forget_committed_names, forget_offsets, has_offsets
from clickstream_local.topics import archive_topics, create_missing

COMMIT_INTERVAL_MS = 30_000
_LOOK_S = 3.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_STEADY_S = 45.0
"""A task that has run for so long after a failure goes on: it has committed."""


class Connector:
    """The connector on a worker, whose failed task is started again."""

    def __init__(
        self,
        worker: ConnectWorker,
        config: Mapping[str, str],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker = worker
        self._config = config
        self._say = say
        self._clock = clock
        self._next_look = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._failed_at: float | None = None
        self._said = ""

    def create(self) -> None:
        """Create it, or change it to this configuration. Raises ArchiveFailed."""
        try:
            self._worker.put_connector(NAME, self._config)
        except OSError as error:
            raise ArchiveFailed(f"Kafka Connect refuses the connector {NAME}: {error}") from error

    def tend(self) -> None:
        """Look at it every few seconds; start again what has failed, and say why."""
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_S
        try:
            trace = self._worker.failure_of(NAME)
            if trace is not None:
                self._restart(first_cause(trace), now)
            elif self._failed_at is not None and now - self._failed_at > _STEADY_S + self._pause_s:
                self._say("✓ The archive goes on")
                self._failed_at, self._said, self._pause_s = None, "", _FIRST_PAUSE_S
        except OSError:
            return  # the worker is being started

    def _restart(self, cause: str, now: float) -> None:
        self._failed_at = now
        if cause != self._said:
            self._say(f"✗ The archive stands still, and tries again: {cause}")
            self._said = cause
        self._worker.restart_failed(NAME)
        self._next_look = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


@dataclass(frozen=True)
class Archive:
    """What is wanted: a place, and how to look for its table; our own SeaweedFS must run for that."""

    place: Place
    find_table: FindTable


def wanted_archive(settings: LocalSettings, environ: Mapping[str, str]) -> Archive | None:
    """Return what `--archive` asks for, None without it.

    Raises SettingsError or ArchiveFailed for a place that can't be used, before anything starts.
    """
    if not settings.archive:
        return None
    if settings.archive_to is None:
        find_weed()
        place = seaweedfs_place(settings.s3_port, settings.catalog_port)
        return Archive(place, partial(table_in_catalog, place))
    place = users_place(settings.archive_to, environ)
    return Archive(place, check_place(place))


@contextmanager
def running_archive(
    archive: Archive | None,
    settings: LocalSettings,
    kafka: KafkaSettings,
    topics: TopicSettings,
    more_topics: ScenarioTopicSettings,
    logs: Path,
    screen: Screen,
    signals: StopSignals,
) -> Iterator[Callable[[], None]]:
    """Run it if it is wanted; yields what is to be called again and again: it starts again what has ended."""
    if archive is None:
        yield lambda: None
        return
    directory = settings.directory / "archive"
    kafka_config = kafka.kafka_python_config()
    started: list[Kept] = []
    try:
        with signals.interrupting():
            jars = _jars(settings.directory / "connect", screen)
            if archive.place.own:
                started.append(_seaweedfs(settings, directory / "seaweedfs", logs, screen))
            screen.progress("Looking into the archive")
            cluster = cluster_id_of(kafka_config)
            table = archive.find_table()
            sink = sink_of(archive.place, table, cluster)
            create_missing(kafka_config, archive_topics(sink.control_topic))
            prepare_offsets(archive.place, table, sink, kafka_config, screen.line)
            worker = ConnectWorker(
                directory / "connect",
                java=find_java(),
                jars=jars,
                port=settings.connect_port,
                group=sink.worker_group,
                kafka=kafka,
                environ=archive.place.environ,
                log=logs / "connect.log",
            )

            def launch() -> Child:
                forget_committed_names(kafka_config, sink)
                return worker.launch()

            screen.progress("Starting Kafka Connect")
            since = time.monotonic()
            kept = Kept(launch, worker.ready, screen.line)
            started.append(kept)
            kept.start()
            names = {
                "clickstream-events": topics.events_topic,
                "clickstream-metrics": topics.metrics_topic,
                "clickstream-dead-letters": topics.dead_letter_topic,
                "clickstream-access-logs": more_topics.access_logs_topic,
                "clickstream-scenario-results": more_topics.scenario_results_topic,
            }
            config = connector_config(archive.place, sink, cluster, commit_interval_ms=COMMIT_INTERVAL_MS, topics=names)
            connector = Connector(worker, config, screen.line)
            connector.create()
            screen.line(f"✓ Kafka Connect on {worker.url}, ready in {time.monotonic() - since:.1f} s")
            _say_where(archive.place, kafka, directory, screen)

        def tend() -> None:
            for each in started:
                each.tend()
            connector.tend()

        yield tend
    finally:
        for each in reversed(started):
            screen.progress("Stopping the archive")
            each.stop()


def _jars(directory: Path, screen: Screen) -> Path:
    if not CONNECT.folder(directory).is_dir():
        screen.line(f"Downloading {CONNECT.title}, once: {CONNECT.megabytes} MB")
    fetched(CONNECT, directory, screen.progress)
    return CONNECT.folder(directory)


def sink_of(place: Place, table: RawTable | None, cluster_id: str) -> Sink:
    """Return the sink that fills the place, as its table says; without a table, the place's own.

    Raises ArchiveFailed for a table that holds another cluster's records: their offsets would be taken for this one's.
    """
    if table is None:
        return new_sink(place)
    filled_from, name = (table.properties.get(each) for each in (CLUSTER_PROPERTY, SINK_PROPERTY))
    if filled_from != cluster_id or name is None:
        whose = "the records of another Kafka" if filled_from else "records that ./setup.sh --local did not bring"
        raise ArchiveFailed(
            f"the archive at {place.warehouse} holds {whose}, whose offsets would be mistaken for those of this one: "
            f"{_instead(place)}"
        )
    return Sink(name)


def prepare_offsets(
    place: Place, table: RawTable | None, sink: Sink, kafka_config: Mapping[str, object], say: Callable[[str], None]
) -> None:
    """Let a new place, and one that was emptied, be filled from the topics' beginnings; others go on where they ended.

    Raises ArchiveFailed if Kafka has forgotten where that was.
    """
    if table is None:
        if forget_offsets(kafka_config, sink):
            say(
                f"✗ {place.warehouse} was filled before, but has no table now: it is filled again with all that the "
                f"topics still hold"
            )
    elif table.manifests and not has_offsets(kafka_config, sink):
        raise ArchiveFailed(
            f"Kafka no longer knows how far it has filled the archive at {place.warehouse} (its group {sink.group} is "
            f"gone), and would store records twice: {_instead(place)}"
        )


def _instead(place: Place) -> str:
    if place.own:
        return "delete it with --fresh, or choose another place with --archive-to or --local-directory"
    return "choose another with --archive-to"


def _seaweedfs(settings: LocalSettings, directory: Path, logs: Path, screen: Screen) -> Kept:
    server = SeaweedFS(
        directory,
        executable=find_weed(),
        s3_port=settings.s3_port,
        catalog_port=settings.catalog_port,
        log=logs / "seaweedfs.log",
    )
    screen.progress(f"Starting SeaweedFS {VERSION}")
    kept = Kept(server.launch, server.ready, screen.line)
    kept.start()
    screen.line(
        f"✓ SeaweedFS {VERSION}: S3 on 127.0.0.1:{settings.s3_port}, catalog on 127.0.0.1:{settings.catalog_port}"
    )
    return kept


def _say_where(place: Place, kafka: KafkaSettings, directory: Path, screen: Screen) -> None:
    """Write the settings for `clickstream-archive`, and say how to look into the archive."""
    file = directory / "settings.env"
    write_settings(file, place, kafka)
    before = "" if is_default(place, kafka) else f". {shlex.quote(str(file))} && "
    screen.line(f"✓ Archive: {place.warehouse}, new objects every {COMMIT_INTERVAL_MS // 1000} s")
    screen.line(f"  Is it complete? {before}.venv/bin/clickstream-archive verify (or report --day today, compact, sql)")
