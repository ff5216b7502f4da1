"""The one broker that all benchmarks run against, and its topics.

It is the embedded broker of `setup.sh --local` with its own folder, on a free port; its CPU time is never counted.
Input topics stay from run to run: loading two million events takes longer than counting them.
"""

import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from clickstream_local.broker import Broker
from clickstream_local.jars import kafka_jars
from clickstream_local.java import find_java
from clickstream_local.topics import Topic, clickstream_topics, create_missing
from dataset import PARTITIONS, Dataset, flush_records
from workspace import BENCH, KEPT, PEERS_PYTHON, ROOT

_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1"}


@dataclass(frozen=True)
class Pipeline:
    """Fresh topics and a fresh group for one run of the processor; `events` may be a topic that others read as well."""

    events: str
    metrics: str
    partials: str
    dead_letters: str
    group_id: str


class Cluster:
    """Topics and groups on the broker at `bootstrap_servers`, as the benchmarks need them."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.bootstrap_servers = broker.bootstrap_servers
        self._config = {"bootstrap_servers": [broker.bootstrap_servers]}

    def load(self, dataset: Dataset, compression: str) -> str:
        """Return the topic that holds the data set with that compression ("none", "lz4"); fill it if needed."""
        topic = f"bench-{dataset.events}-{compression}"
        wanted = [Topic(topic, PARTITIONS, _FOR_EVER)]
        if not create_missing(self._config, wanted):
            if sum(self.ends(topic).values()) == dataset.records:
                return topic
            self.delete([topic])  # loading was interrupted
            create_missing(self._config, wanted)
        print(f"Loading {dataset.events:,} events into {topic}", flush=True)
        self._feed(topic, dataset, compression)
        return topic

    def pipeline(self, events: str | None = None) -> Pipeline:
        """Create the topics for one run of the processor; without `events` an empty events topic as well."""
        run = uuid.uuid4().hex[:8]
        pipeline = Pipeline(
            events=events or f"run-{run}-events",
            metrics=f"run-{run}-metrics",
            partials=f"run-{run}-partials",
            dead_letters=f"run-{run}-dead-letters",
            group_id=f"run-{run}",
        )
        own = (pipeline.events, pipeline.metrics, pipeline.partials, pipeline.dead_letters)
        for topic in clickstream_topics(*own):
            if topic.name == pipeline.events:  # the events' own times are old, and windows may be long
                topic = replace(topic, configs={**topic.configs, **_FOR_EVER})
            if topic.name in own:
                create_missing(self._config, [topic])
        return pipeline

    def output(self) -> str:
        """Create an empty topic of one partition for a contestant's results."""
        topic = f"run-{uuid.uuid4().hex[:8]}-output"
        create_missing(self._config, [Topic(topic, 1)])
        return topic

    def delete(self, topics: Sequence[str]) -> None:
        """Delete the topics and wait until they are gone."""
        with KafkaAdminClient(**self._config) as admin:
            admin.delete_topics(list(topics))
            while set(topics) & set(admin.list_topics()):
                time.sleep(0.05)

    def delete_output(self, sink: str) -> None:
        """Delete a contestant's output topic and its internal topics, which have its group's name in theirs."""
        with KafkaAdminClient(**self._config) as admin:
            self.delete([topic for topic in admin.list_topics() if sink in topic])

    def delete_pipeline(self, pipeline: Pipeline) -> None:
        """Delete a run's own topics."""
        own = (pipeline.events, pipeline.metrics, pipeline.partials, pipeline.dead_letters)
        self.delete([topic for topic in own if topic.startswith("run-")])

    def environ(self, pipeline: Pipeline) -> dict[str, str]:
        """The settings by which an app finds this broker and a run's topics."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "EVENTS_TOPIC": pipeline.events,
            "METRICS_TOPIC": pipeline.metrics,
            "PARTIALS_TOPIC": pipeline.partials,
            "DEAD_LETTER_TOPIC": pipeline.dead_letters,
        }

    def ends(self, topic: str) -> dict[int, int]:
        """The offsets behind the last record of each partition."""
        with KafkaConsumer(**self._config) as consumer:
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            return {partition.partition: end for partition, end in consumer.end_offsets(partitions).items()}

    def lag(self, group_id: str, topic: str) -> int:
        """The number of records after the group's committed offsets."""
        with KafkaAdminClient(**self._config) as admin:
            groups = admin.list_group_offsets({group_id: None})
        committed = {each.partition: found.offset for each, found in groups[group_id].items() if each.topic == topic}
        return sum(end - max(0, committed.get(partition, 0)) for partition, end in self.ends(topic).items())

    @contextmanager
    def reader(self, topic: str) -> Iterator[KafkaConsumer]:
        """A consumer that reads the topic from its beginning, committed records only."""
        with KafkaConsumer(
            **self._config, isolation_level="read_committed", auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            consumer.assign([TopicPartition(topic, number) for number in self.ends(topic)])
            yield consumer

    def _feed(self, topic: str, dataset: Dataset, compression: str) -> None:
        ending = [[partition, key.decode(), value.decode()] for partition, key, value in flush_records()]
        arguments = (self.bootstrap_servers, topic, compression, str(dataset.lines), json.dumps(ending))
        subprocess.run([PEERS_PYTHON, BENCH / "feed.py", *arguments], check=True)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start the broker, and stop it at the end, on SIGTERM too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("was told to end"))
    jars = kafka_jars(ROOT / ".local" / "kafka", lambda line: print(line, flush=True))
    with Broker(KEPT / "broker", java=find_java(), jars=jars) as broker:
        yield Cluster(broker)


def decoded(records: dict[TopicPartition, list[Any]]) -> Iterator[Any]:
    """The records of a poll, one after the other."""
    for batch in records.values():
        yield from batch
