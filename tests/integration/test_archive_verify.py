"""verify beside a real processor: the live topics, and an archive of them whose gaps the topics explain."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from pyiceberg.catalog import Catalog

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.topic_log import RecordsDeleted, TopicLog
from clickstream_core.settings import read_settings
from clickstream_kafka.settings import KafkaSettings
from kit.archive import write_raw
from kit.generate import Shape, generate
from kit.offline import assert_equal_to_offline_count
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import SHORT_WINDOWS, minutes_ago, start_processor
from kit.topics import Message, PipelineTopics, ToSend, read_all, send


@dataclass(frozen=True)
class Verify:
    """Runs verify as a process, on a test's topics and an archive in a folder."""

    topics: PipelineTopics
    folder: Path

    def catalog(self) -> Catalog:
        arguments = ["--catalog-type", "hadoop", "--warehouse", str(self.folder)]
        return open_catalog(read_settings(CatalogSettings, prog="", description="", argv=arguments))

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        archive = {"CATALOG_TYPE": "hadoop", "WAREHOUSE": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "clickstream_archive.main", "verify", "--json", *arguments],
            env={**os.environ, **self.topics.environ, **SHORT_WINDOWS, **archive},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, result


def archived(topics: PipelineTopics) -> list[Message]:
    """What the sink stores of the topics: every committed record."""
    names = (topics.events, topics.metrics, topics.dead_letters)
    return [each for name in names for each in read_all(topics.bootstrap_servers, name)]


def commit_as_sink(topics: PipelineTopics, partition: int, offset: int) -> None:
    """Note that the sink has read the events of this partition up to this offset."""
    consumer = KafkaConsumer(bootstrap_servers=topics.bootstrap_servers, group_id="connect-clickstream-archive")
    place = TopicPartition(topics.events, partition)
    consumer.assign([place])
    consumer.commit({place: OffsetAndMetadata(offset, "", -1)})
    consumer.close(autocommit=False)


def test_topics_and_their_archive_are_complete_and_equal_until_a_record_is_removed_or_forged(
    topics: PipelineTopics, apps: Apps, tmp_path: Path
) -> None:
    records = generate(Shape(start_ms=minutes_ago(4)), seed=3)
    send(topics.bootstrap_servers, topics.events, records)
    app = start_processor(apps, topics)
    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)
    app.stop()
    verify = Verify(topics, tmp_path / "archive")

    status, result = verify("--from", "topic")
    assert (status, result["complete"], result["equal"]) == (0, True, True), result["groups"]
    (group,) = result["groups"]
    assert (group["equal"], group["different"]) == (len(results), 0)

    messages = archived(topics)
    write_raw(verify.catalog(), messages, 2)
    status, result = verify()
    assert (status, result["complete"], result["equal"], result["kafka"]) == (0, True, True, None), result["groups"]
    assert all(each["unknown"] == [] for each in result["partitions"])
    assert sum(each["records"] for each in result["partitions"]) == len(messages)

    gone = [each for each in messages if each.topic == topics.dead_letters][5:8]
    table = verify.catalog().load_table(("clickstream", "raw"))
    for each in gone:
        table.delete(f"topic = '{each.topic}' and partition = {each.partition} and offset = {each.offset}")
    status, result = verify()
    missing = [
        (each["topic"], each["partition"], offset)
        for each in result["partitions"]
        for gap in each["missing"]
        for offset in range(gap["first"], gap["last"] + 1)
    ]
    assert status == 1
    assert sorted(missing) == sorted((each.topic, each.partition, each.offset) for each in gone)
    assert result["groups"][0]["different"] == 0

    whole = [each for each in messages if (each.topic, each.partition) == (topics.events, 0)]
    table.delete(f"topic = '{topics.events}' and partition = 0")
    start = next(each for each in messages if (each.topic, each.partition, each.offset) == (topics.events, 1, 0))
    table.delete(f"topic = '{start.topic}' and partition = 1 and offset < 3")
    status, result = verify()
    found = {(each["topic"], each["partition"]): each for each in result["partitions"]}
    assert (found[topics.events, 0]["records"], found[topics.events, 0]["unknown_offsets"]) == (0, len(whole))
    assert found[topics.events, 1]["missing"] == [{"first": 0, "last": 2, "why": "the topic has them"}]
    assert result["groups"][0]["different"] == 0
    last = found[topics.events, 1]["last"]
    table.delete(f"topic = '{start.topic}' and partition = 1 and offset >= {last - 1}")
    commit_as_sink(topics, 0, 5)
    commit_as_sink(topics, 1, last + 1)
    status, result = verify()
    found = {(each["topic"], each["partition"]): each for each in result["partitions"]}
    read = "the topic has them, and the sink has read them"
    assert found[topics.events, 0]["missing"] == [{"first": 0, "last": 4, "why": read}]
    assert found[topics.events, 1]["missing"][1:] == [{"first": last - 1, "last": last, "why": read}]
    assert result["groups"][0]["different"] == 0

    first = min((each for each in messages if each.topic == topics.metrics), key=lambda each: each.key or b"")
    fields = json.loads(first.value or b"")
    forged = json.dumps({**fields, "revision": fields["revision"] + 9, "unique_users": 1}).encode()
    send(topics.bootstrap_servers, topics.metrics, [ToSend(forged, key=first.key, headers=first.headers)])
    status, result = verify("--from", "topic")
    assert (status, result["complete"], result["equal"]) == (1, True, False)
    (difference,) = result["groups"][0]["differences"]
    assert difference["window_start"] == fields["window_start"]
    assert difference["differences"] == [f"unique_users is 1, recounted {fields['unique_users']}"]


def test_a_topic_whose_beginning_retention_has_moved_is_read_from_where_it_begins_now(topics: PipelineTopics) -> None:
    send(topics.bootstrap_servers, topics.events, [ToSend(b"x", partition=0) for _ in range(50)])
    admin = KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers)
    admin.delete_records({TopicPartition(topics.events, 0): 20})
    admin.close()
    settings = read_settings(
        KafkaSettings, prog="", description="", argv=["--kafka-bootstrap-servers", topics.bootstrap_servers]
    )
    with TopicLog(settings) as log:
        with pytest.raises(RecordsDeleted) as deleted:
            list(log.records(topics.events, 0, 5, 50))
        assert deleted.value.begins_at == 20
        offsets = [each.offset for records in log.records(topics.events, 0, 20, 50) for each in records]
        assert offsets == list(range(20, 50))
        assert log.has_records(topics.events, 0, 49)
        assert not log.has_records(topics.events, 0, 50)
