"""How many events a second one Kafka Connect worker brings into the archive, and the memory that it takes.

The events are in the topic before the worker starts. Worker, SeaweedFS and the connector's configuration are those of
`./setup.sh --local --archive`; only the commit interval is shorter, so that there are several commits to measure
between. CPU time is that after the start of the programs. A run counts only if the table has each offset of the topic
once.

Two speeds are printed. The whole time begins when the connector is created and ends with the last commit, half an
interval after the last record on average. From the first commit to the last but one the worker never waits for records.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaAdminClient
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from clickstream_local.archive_place import Place, seaweedfs_place
from clickstream_local.children import Child
from clickstream_local.connect import ConnectWorker
from clickstream_local.connector import NAME, Sink, connector_config, new_sink
from clickstream_local.jars import CONNECT, fetched
from clickstream_local.java import find_java
from clickstream_local.ports import free_port
from clickstream_local.seaweedfs import SeaweedFS, find_weed
from clickstream_local.sink_offsets import forget_offsets
from clickstream_local.topics import archive_topics, create_missing
from cluster import Cluster, running_cluster
from dataset import prepare
from measure import Usage, usage_of
from table import command, machine
from workspace import KEPT, ROOT, peers_are_missing

_FOLDER = KEPT / "archiving"
_TABLE = "clickstream.raw"
_START_TIMEOUT_S = 180.0
_STALL_TIMEOUT_S = 180.0
_LOOK_S = 0.5


@dataclass(frozen=True)
class Commit:
    """A snapshot of the table: when it was made (seconds, time.time()), and how many records it has."""

    at: float
    records: int


@dataclass(frozen=True)
class Result:
    """When the connector was created (seconds, time.time()), the commits, and what worker and SeaweedFS took."""

    created: float
    commits: Sequence[Commit]
    worker: Usage
    storage: Usage


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Events into the archive through one worker.")
    parser.add_argument("--events", type=int, default=2_000_000, help="how many events (default 2000000)")
    parser.add_argument("--commit-interval", type=float, default=10, help="seconds between commits (default 10)")
    parser.add_argument("--compression", choices=("none", "lz4"), default="lz4")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    dataset = prepare(chosen.events)
    with running_cluster() as cluster:
        topic = cluster.load(dataset, chosen.compression)
        result = _archive(cluster, topic, dataset.records, int(chosen.commit_interval * 1000))
    shutil.rmtree(_FOLDER)
    print(f"{command()}\n{machine()}")
    for line in _lines(result, dataset.records):
        print(line)
    return 0


def _lines(result: Result, records: int) -> list[str]:
    commits = result.commits
    whole_s = commits[-1].at - result.created
    lines = [f"{records:,} events in {len(commits)} commits, {whole_s:.1f} s: {records / whole_s:,.0f} events/s"]
    if len(commits) > 2:
        seconds, steady = commits[-2].at - commits[0].at, commits[-2].records - commits[0].records
        lines.append(f"from the first commit to the last but one, {seconds:.1f} s: {steady / seconds:,.0f} events/s")
    for name, used in (("worker", result.worker), ("SeaweedFS", result.storage)):
        rate = records / used.cpu
        lines.append(f"{name}: {used.cpu:.1f} CPU s ({rate:,.0f} events/CPU s), peak {used.peak_bytes / 2**20:.0f} MiB")
    return lines


def _archive(cluster: Cluster, topic: str, records: int, commit_interval_ms: int) -> Result:
    """Archive the topic, and wait until the table has all of it."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    s3_port, catalog_port = free_port(), free_port()
    place = seaweedfs_place(s3_port, catalog_port)
    logs = KEPT / "logs"
    kafka = read_settings(
        KafkaSettings,
        prog="bench",
        description="",
        argv=[],
        environ={"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers},
    )
    sink = new_sink(place)
    _forget_earlier_runs(cluster, kafka.kafka_python_config(), sink)
    fetched(CONNECT, ROOT / ".local" / "connect", lambda line: print(line, flush=True))
    storage = SeaweedFS(
        _FOLDER / "seaweedfs",
        executable=find_weed(),
        s3_port=s3_port,
        catalog_port=catalog_port,
        log=logs / "seaweedfs.log",
    )
    worker = ConnectWorker(
        _FOLDER / "connect",
        java=find_java(),
        jars=CONNECT.folder(ROOT / ".local" / "connect"),
        port=free_port(),
        group=sink.worker_group,
        kafka=kafka,
        environ=place.environ,
        log=logs / "connect.log",
    )
    with _running(storage.launch, storage.ready) as weed, _running(worker.launch, worker.ready) as connect:
        config = connector_config(
            place, sink, "bench", commit_interval_ms=commit_interval_ms, topics={"clickstream-events": topic}
        )
        created, started = time.time(), [usage_of(child.pid) for child in (connect, weed)]
        worker.put_connector(NAME, config)
        table = _wait_for(place, worker, records)
        used = [_since(before, usage_of(child.pid)) for before, child in zip(started, (connect, weed), strict=True)]
        result = Result(created, _commits(table), *used)
        _assert_each_offset_is_there_once(table, topic, cluster.ends(topic))
    return result


def _since(before: Usage, now: Usage) -> Usage:
    return replace(now, cpu=now.cpu - before.cpu)


def _forget_earlier_runs(cluster: Cluster, kafka_config: dict[str, Any], sink: Sink) -> None:
    """The table is new, so nothing that Kafka keeps of another one may be there."""
    own = {sink.control_topic, *(f"{sink.worker_group}-{kind}" for kind in ("configs", "offsets", "status"))}
    with KafkaAdminClient(**kafka_config) as admin:
        existing = own & set(admin.list_topics())
    if existing:
        cluster.delete(sorted(existing))
    create_missing(kafka_config, archive_topics(sink.control_topic))
    forget_offsets(kafka_config, sink)


@contextmanager
def _running(launch: Callable[[], Child], ready: Callable[[], bool]) -> Iterator[Child]:
    """Start a program and wait until it is ready; stop it at the end. Raises RuntimeError with the end of its log."""
    child = launch()
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not ready():
            if not child.running or time.monotonic() > deadline:
                raise RuntimeError(f"{child.name} did not start ({child.describe_end()}):\n{child.last_lines()}")
            time.sleep(_LOOK_S)
        yield child
    finally:
        child.stop(15)


def _wait_for(place: Place, worker: ConnectWorker, records: int) -> Table:
    """Return the table when it has so many records. Raises RuntimeError if no more come, or the task fails."""
    catalog = _catalog(place)
    found, deadline = 0, time.monotonic() + _STALL_TIMEOUT_S
    while True:
        try:
            table = catalog.load_table(_TABLE)
            commits = _commits(table)
        except NoSuchTableError:
            commits = []
        if commits and commits[-1].records > found:
            found, deadline = commits[-1].records, time.monotonic() + _STALL_TIMEOUT_S
            print(f"{found:,} of {records:,} events are committed", flush=True)
        if found >= records:
            return table
        if trace := worker.failure_of(NAME) if found else None:
            raise RuntimeError(f"the connector's task failed: {trace}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"no commit for {_STALL_TIMEOUT_S:.0f} s; see {KEPT / 'logs' / 'connect.log'}")
        time.sleep(_LOOK_S)


def _catalog(place: Place) -> Catalog:
    given = place.environ
    return load_catalog(
        "clickstream",
        type="rest",
        uri=given["CATALOG_URI"],
        warehouse=given["WAREHOUSE"],
        credential=given["CATALOG_CREDENTIAL"],
        **{
            "oauth2-server-uri": f"{given['CATALOG_URI']}/v1/oauth/tokens",
            "s3.endpoint": given["S3_ENDPOINT"],
            "s3.access-key-id": given["AWS_ACCESS_KEY_ID"],
            "s3.secret-access-key": given["AWS_SECRET_ACCESS_KEY"],
            "s3.region": given["S3_REGION"],
        },
    )


def _commits(table: Table) -> list[Commit]:
    """The commits that brought records, oldest first."""
    found = (
        Commit(snapshot.timestamp_ms / 1000, int(snapshot.summary["total-records"] or 0))
        for snapshot in table.snapshots()
        if snapshot.summary is not None and "added-records" in snapshot.summary
    )
    return sorted(found, key=lambda commit: commit.records)


def _assert_each_offset_is_there_once(table: Table, topic: str, ends: dict[int, int]) -> None:
    read = table.scan(row_filter=f"topic = '{topic}'", selected_fields=("partition", "offset")).to_arrow()
    counted = read.group_by("partition").aggregate([("offset", "count"), ("offset", "count_distinct")]).to_pylist()
    found = {row["partition"]: (row["offset_count"], row["offset_count_distinct"]) for row in counted}
    if found != {partition: (end, end) for partition, end in ends.items()}:
        raise RuntimeError(f"the table has {found} (records, distinct offsets) of partitions that end at {ends}")


if __name__ == "__main__":
    sys.exit(main())
