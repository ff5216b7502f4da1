"""What Spark makes of records: rows of results, copies of topics, files on S3 and HDFS. One session for all of it."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from kafka import KafkaAdminClient
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from clickstream_core.service import Health
from clickstream_core.settings import read_settings
from clickstream_core.shutdown import StopRequest
from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from clickstream_statistics import copied, results
from clickstream_statistics.copying import shape
from clickstream_statistics.errors import NotOurs
from clickstream_statistics.job import Job, Runner
from clickstream_statistics.layout import store
from clickstream_statistics.session import spark_session
from clickstream_statistics.settings import CopySettings, SparkSettings, StorageSettings
from clickstream_statistics.storage import Hadoop, storage
from kit.hdfs import hadoop_jars, hdfs
from kit.poll import eventually
from kit.seaweedfs import seaweedfs
from kit.small_disk import fill, small_disk
from kit.statistics import MALFORMED, result
from kit.topics import ToSend, read_all, send

Place = dict[str, str]
BUCKET = "results"
ROOT = Path(__file__).parents[2]


def s3_client(place: Place) -> Any:
    return boto3.Session().client("s3", endpoint_url=place["S3_ENDPOINT"], region_name="us-east-1")


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The settings of an S3 of this machine, which are in the environment as long as it runs."""
    with pytest.MonkeyPatch.context() as environ, seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as place:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environ.setenv(name, place.environ[name])
        given = {"S3_ENDPOINT": place.environ["S3_ENDPOINT"]}
        s3_client(given).create_bucket(Bucket=BUCKET)  # the archive's own takes tables only
        yield given


@pytest.fixture(scope="module", params=["s3a", "hdfs"])
def storage_address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bucket on S3, a folder of HDFS."""
    if request.param == "s3a":
        yield f"s3a://{BUCKET}"
        return
    java = request.getfixturevalue("java")
    with hdfs(tmp_path_factory.mktemp("hdfs"), java, hadoop_jars(ROOT / ".local" / "hadoop")) as server:
        yield f"{server.address}/statistics"


@pytest.fixture(scope="module")
def spark(spark_jars: Path, s3: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    folder = tmp_path_factory.mktemp("spark")
    (folder / "tmp").mkdir()
    (folder / "conf").write_text("spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC\n")
    given = {"SPARK_JARS": str(spark_jars), "SPARK_CONF_FILE": str(folder / "conf"), **s3}
    settings = read_settings(SparkSettings, prog="", description="", argv=[], environ=given)
    storage_settings = read_settings(StorageSettings, prog="", description="", argv=[], environ=given)
    with pytest.MonkeyPatch.context() as environ:
        for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
            environ.setenv(name, "")  # what the session sets is undone
        with spark_session(settings, storage_settings, str(folder / "tmp")) as (session, _):
            yield session


def kafka_rows(spark: SparkSession, values: list[bytes | None]) -> Any:
    """Records as Spark's source has them."""
    rows = [(b"k", bytearray(value) if value is not None else None, number) for number, value in enumerate(values)]
    frame = spark.createDataFrame(rows, "key binary, value binary, offset bigint")
    at = f.lit("2026-11-27 10:30:00").cast("timestamp")
    return frame.select("*", f.lit("t").alias("topic"), f.lit(0).alias("partition"), at.alias("timestamp"))


def test_what_is_a_result_and_in_which_minute(spark: SparkSession) -> None:
    kept = {"memberId": "구매", "h": 10, "ok": True, "x": None, "list": [1, "a"]}
    good: list[bytes | None] = [
        b'{"scenario_id":5,"success":1,"date":"2026-11-27 19:00:00","timestamp":"2026-11-27T10:00:59.999Z","version":2,'
        + json.dumps(kept).encode()[1:],
        b' {"version":1,"success":0,"scenario_id":9223372036854775807,"date":"","timestamp":"2026-11-25T10:00:00Z"} ',
        b'{"scenario_id":1,"success":1,"date":"","timestamp":"2026-11-27T12:00:00+00:00","version":1,"a":1,"a":2}',
    ]
    found = results.rows(kafka_rows(spark, [*good, *MALFORMED, None]))
    rows = [each.asDict() for each in found.orderBy("offset").collect()]

    assert [each["is_result"] for each in rows] == [True] * 3 + [False] * (len(MALFORMED) + 1)
    first = rows[0]
    assert (first["scenario_id"], first["version"], first["success"], first["date"]) == (5, 2, 1, "2026-11-27 19:00:00")
    assert first["fields"] == {"memberId": "구매", "h": "10", "ok": "true", "x": None, "list": '[1,"a"]'}
    assert [first[name] for name in ("year", "month", "day", "hour")] == ["2026", "11", "27", "10"]
    assert first["minute"] == 29929560, "2026-11-27T10:00Z"
    assert rows[1]["scenario_id"] == 2**63 - 1
    assert [rows[1]["minute"], rows[2]["minute"]] == [-1, -1], "a day behind its record, or two hours ahead"
    groups = list(results.groups(found))
    assert sum(each.records for each in groups if each.scenario is None) == len(MALFORMED) + 1
    assert results.stored(found).count() == 3


def test_a_copy_keeps_what_is_malformed_and_types_the_rest(spark: SparkSession) -> None:
    event = {"event_id": "e", "timestamp": "2026-11-27T10:00:00.123Z", "duration_ms": 12, "parameters": {"a": "b"}}
    values = [json.dumps(event).encode(), b'{"duration_ms":"long","event_id":"f"}', b"[1]", b"\xff", None, b'{"tag":']
    found = copied.rows(kafka_rows(spark, [*values]), "clickstream-events")
    rows = [each.asDict() for each in found.orderBy("offset").collect()]

    assert [each["is_object"] for each in rows] == [True] + [False] * 5
    assert (rows[0]["event_id"], rows[0]["duration_ms"], rows[0]["parameters"]) == ("e", 12, {"a": "b"})
    assert rows[0]["value_timestamp"].isoformat().startswith("2026-11-27T10:00:00.123")
    assert [each["value"] for each in rows[2:]] == ["[1]", None, None, '{"tag":']
    assert json.loads(rows[0]["value"]) == event
    assert [each["raw_value"] for each in rows] == [None, None, None, bytearray(b"\xff"), None, None]
    assert (rows[1]["duration_ms"], rows[0]["key"], rows[0]["hour"]) == (None, "k", "10")


def test_a_batch_that_is_stored_again_leaves_its_files_as_they_are(spark: SparkSession, tmp_path: Path) -> None:
    values: list[bytes | None] = [result(success=number % 2) for number in range(50)]
    rows = results.stored(results.rows(kafka_rows(spark, values)))
    place, staging = f"file://{tmp_path}/results", f"file://{tmp_path}/staging"
    before: dict[Path, tuple[int, float]] = {}
    for _ in range(2):
        store(rows, 7, staging, storage(spark, place), place)
        files = {each: (each.stat().st_size, each.stat().st_mtime) for each in (tmp_path / "results").rglob("*.*")}
        assert {each.name for each in files} == {"batch-000000000007.parquet"}
        assert before in ({}, files)
        before = files
    assert not (tmp_path / "staging" / "7").exists()
    counted = duckdb.sql(f"SELECT count(*) FROM read_parquet('{tmp_path}/results/**/*.parquet')").fetchone()
    assert counted == (50,)


def test_of_drivers_that_create_a_file_at_once_one_does(spark: SparkSession, storage_address: str) -> None:
    path = f"{storage_address}/once/a.json"
    begin, made = threading.Barrier(4), []

    def create(number: int) -> None:
        files = Hadoop(spark, path)
        begin.wait()
        if files.create(path, str(number).encode()):
            made.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    files = Hadoop(spark, path)
    assert files.read(path) == str(made[0]).encode()
    assert files.names(f"{storage_address}/once") == ["a.json"]


def test_a_topic_is_copied_each_record_once_over_a_restart_and_a_batch_that_is_repeated(
    spark: SparkSession, storage_address: str, s3: Place, broker: Broker, tmp_path: Path
) -> None:
    topic = f"copied-{uuid.uuid4().hex}"
    kafka = {"bootstrap_servers": broker.bootstrap_servers.split(",")}
    create_missing(kafka, [Topic(topic, 3, {"retention.ms": "-1"})])
    to = f"{storage_address}/{topic}"
    given = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "TRIGGER_INTERVAL": "1s", **s3}
    settings = read_settings(CopySettings, prog="", description="", argv=["--topic", topic, "--to", to], environ=given)
    files = Hadoop(spark, to)
    commits = f"{to}/_checkpoints/query/commits"

    def copied_rows() -> list[tuple[Any, ...]]:
        folder = fetched(spark, to, tmp_path / uuid.uuid4().hex)
        if not list(folder.rglob("*.parquet")):
            return []
        columns = '"partition", "offset", epoch_ms("timestamp"), value, "year" || "month" || "day" || "hour"'
        query = f"SELECT {columns} FROM read_parquet('{folder}/**/*.parquet', hive_types_autocast = false) ORDER BY ALL"
        return duckdb.sql(query).fetchall()

    def committed() -> list[str]:
        return sorted((name for name in files.names(commits) if name.isdigit()), key=int)

    def copied_so_far(count: int) -> bool:
        return len(copied_rows()) == count and bool(committed())

    for number in range(2):
        values = [f'{{"n":{number},"i":{i}}}' for i in range(100)]
        send(
            broker.bootstrap_servers,
            topic,
            [ToSend(each.encode(), timestamp=HOUR_MS + i) for i, each in enumerate(values)],
        )
        with copying(spark, topic, to, settings, tmp_path):
            eventually(partial(copied_so_far, 100 * (number + 1)), 120, every=1)
        files.delete(f"{commits}/{committed()[-1]}")  # as a crash before the commit leaves it
    expected = [
        (each.partition, each.offset, each.timestamp, (each.value or b"").decode(), "2026112710")
        for each in read_all(broker.bootstrap_servers, topic)
    ]
    assert copied_rows() == sorted(expected)

    with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
        admin.delete_topics([topic])
    create_missing(kafka, [Topic(topic, 3, {"retention.ms": "-1"})])
    stopping = StopRequest()
    runner = Runner(Job(topic, to, shape(topic)), settings, Health(), stopping, lambda: "")
    with pytest.raises(NotOurs, match="was deleted and made again"):
        runner.run_in(spark, str(tmp_path), lambda: None)
    stopping.close()


def test_a_full_disk_is_named_and_nothing_is_lost(
    spark: SparkSession, s3: Place, broker: Broker, tmp_path: Path
) -> None:
    topic = f"copied-{uuid.uuid4().hex}"
    create_missing({"bootstrap_servers": broker.bootstrap_servers.split(",")}, [Topic(topic, 1)])
    send(broker.bootstrap_servers, topic, [ToSend(b"{}")] * 100)
    with small_disk(tmp_path / "disk", 400) as disk:
        given = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "TRIGGER_INTERVAL": "1s", **s3}
        flags = ["--topic", topic, "--to", str(disk / "copied")]
        settings = read_settings(CopySettings, prog="", description="", argv=flags, environ=given)
        filler = fill(disk)
        with copying(spark, topic, f"file://{disk}/copied", settings, tmp_path) as health:
            eventually(lambda: health.answer("/readyz")[1].startswith("no space is left"), 60, every=0.2)
            filler.unlink()
            eventually(lambda: health.answer("/readyz")[0] == HTTPStatus.OK, 60, every=0.2)
        counted = duckdb.sql(f"SELECT count(DISTINCT \"offset\"), count(*) FROM '{disk}/copied/year=*/**/*.parquet'")
        assert counted.fetchone() == (100, 100)


@contextmanager
def copying(spark: SparkSession, topic: str, to: str, settings: CopySettings, folder: Path) -> Iterator[Health]:
    """The copy in a thread, until the end of the block."""
    stopping, health = StopRequest(), Health()
    runner = Runner(Job(topic, to, shape(topic)), settings, health, stopping, lambda: "")
    running = threading.Thread(target=runner.run_in, args=(spark, str(folder), lambda: None))
    running.start()
    try:
        yield health
    finally:
        stopping.set()
        running.join(30)
        stopping.close()
    assert not running.is_alive()


def fetched(spark: Any, place: str, folder: Path) -> Path:
    """The Parquet of a place, copied to a folder of this machine."""
    path = spark._jvm.org.apache.hadoop.fs.Path
    files = path(place).getFileSystem(spark._jsc.hadoopConfiguration())
    listed = files.globStatus(path(f"{place}/year=*")) or ()
    for each in listed:
        files.copyToLocalFile(False, each.getPath(), path(f"file://{folder}/{each.getPath().getName()}"), True)
    return folder


HOUR_MS = 1795773600000
"""2026-11-27T10:00:00Z."""
