"""The archive's sink as the launcher runs it, in a test: a Kafka Connect worker, and the table that it fills."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from pyiceberg.table import Table

from clickstream_archive.catalogs import load_table, open_catalog
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.raw_table import raw_files
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive import Connector
from clickstream_local.archive_place import Place
from clickstream_local.children import Child
from clickstream_local.connect import ConnectWorker
from clickstream_local.connector import connector_config, new_sink
from clickstream_local.kept import Kept
from clickstream_local.ports import free_port
from clickstream_local.sink_offsets import forget_committed_names
from clickstream_local.topics import archive_topics, create_missing
from kit.topics import Message, PipelineTopics, read_all

COMMIT_INTERVAL_MS = 3_000
REFUSED = "clickstream-archive-refused"
_HEADERS = ("reason", "error", "source-topic", "source-partition", "source-offset", "app", "group", "receipt")
_QUICK = {f"{prefix}.session.timeout.ms": "6000" for prefix in ("consumer.override", "iceberg.kafka")}
"""As short as a broker allows: so long the successor of a killed worker waits."""
_LOST_SHOWN = 5


class Sink:
    """A worker with the archive's connector; `tend`, called again and again, starts again what has ended.

    `said` are the lines that a user of the launcher would see.
    """

    def __init__(self, folder: Path, topics: PipelineTopics, place: Place, java: Path, jars: Path) -> None:
        environ = {"KAFKA_BOOTSTRAP_SERVERS": topics.bootstrap_servers}
        kafka = read_settings(KafkaSettings, prog="", description="", argv=[], environ=environ)
        names = {
            "clickstream-events": topics.events,
            "clickstream-metrics": topics.metrics,
            "clickstream-dead-letters": topics.dead_letters,
        }
        self.said: list[str] = []
        self._kafka = kafka.kafka_python_config()
        self._sink = new_sink(place)
        self._worker = ConnectWorker(
            folder,
            java=java,
            jars=jars,
            port=free_port(),
            group=self._sink.worker_group,
            kafka=kafka,
            environ=place.environ,
            log=folder / "log",
        )
        self._child: Child | None = None
        self._kept = Kept(self._launch, self._worker.ready, self.said.append)
        config = connector_config(place, self._sink, "a cluster", commit_interval_ms=COMMIT_INTERVAL_MS, topics=names)
        self._connector = Connector(self._worker, {**config, **_QUICK}, self.said.append)

    def __enter__(self) -> "Sink":
        create_missing(self._kafka, archive_topics(self._sink.control_topic))
        self._kept.start()
        self._connector.create()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()

    def _launch(self) -> Child:
        forget_committed_names(self._kafka, self._sink)
        self._child = self._worker.launch()
        return self._child

    def kill(self) -> None:
        """kill -9."""
        if self._child is not None:
            self._child.kill()

    def tend(self) -> None:
        self._kept.tend()
        self._connector.tend()

    def log(self) -> str:
        """The end of what it has logged."""
        return self._child.last_lines(40) if self._child is not None else ""


class RawTable:
    """The table `clickstream.raw` of a place."""

    def __init__(self, place: Place) -> None:
        self._settings = read_settings(CatalogSettings, prog="", description="", argv=[], environ=place.settings())

    def _load(self) -> Table | None:
        try:
            return load_table(open_catalog(self._settings), self._settings, "raw")
        except MissingTable:
            return None

    @property
    def commits(self) -> int:
        """How many snapshots it has."""
        table = self._load()
        return len(table.snapshots()) if table is not None else 0

    @property
    def count(self) -> int:
        """How many rows its files have, as its manifests say."""
        try:
            table = self._load()
            return sum(each.rows for each in raw_files(table)) if table is not None else 0
        except (OSError, ArchiveError) as error:  # a storage that has just started
            raise AssertionError(str(error)) from error

    def rows(self) -> list[dict[str, Any]]:
        """All rows."""
        table = self._load()
        return table.scan().to_arrow().to_pylist() if table is not None else []


def everything(topics: PipelineTopics, *more: str) -> list[Message]:
    """Every committed record of the archived topics."""
    names = (topics.events, topics.metrics, topics.dead_letters, *more)
    return [each for name in names for each in read_all(topics.bootstrap_servers, name)]


def assert_archived_exactly_once(
    rows: Iterable[Mapping[str, Any]], records: Iterable[Message], with_headers: Container[str]
) -> None:
    """Each record is one row, byte for byte, with its key and timestamp; and there is no other row.

    Rows of the topics `with_headers` have the records' headers, other rows have none.
    """
    expected = {(each.topic, each.partition, each.offset): each for each in records}
    found: Counter[tuple[str, int, int]] = Counter()
    for row in rows:
        place = (row["topic"], row["partition"], row["offset"])
        found[place] += 1
        record = expected.get(place)
        assert record is not None, f"{place} is archived, but not in the topic"
        assert row["value"] == record.value, place
        assert row["key"] == record.key, place
        assert _milliseconds(row["timestamp"]) == record.timestamp, place
        kept = record.headers if record.topic in with_headers else ()
        assert _headers(row) == {name: value.decode() for name, value in kept if name in _HEADERS}, place
    lost = sorted(expected.keys() - found.keys())
    twice = sorted(place for place, times in found.items() if times > 1)
    assert not lost, f"{len(lost)} records are not archived: {lost[:_LOST_SHOWN]}"
    assert not twice, f"{len(twice)} records are archived more than once: {twice[:_LOST_SHOWN]}"


def _milliseconds(at: Any) -> int:
    return -1 if at is None else round(at.timestamp() * 1000)


def _headers(row: Mapping[str, Any]) -> dict[str, str]:
    found = {name: row.get(name.replace("-", "_")) for name in _HEADERS}
    return {name: value for name, value in found.items() if value is not None}
