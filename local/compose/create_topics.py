"""The container's process: makes the topics of KafkaTopic manifests that Kafka does not have yet, and ends.

`create_topics.py FOLDER ...` waits for the Kafka at KAFKA_BOOTSTRAP_SERVERS as long as it takes. A topic gets as many
copies as the brokers' default says; those that are there stay as they are. It runs in the producer's image, which has
Kafka's client and no YAML: the manifests of strimzi/ are read line by line, and tests/compose compares what is read
with what ./setup.sh --local reads.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from clickstream_kafka.patches import apply_to_kafka_python

_PAUSE_S = 2.0


class Topic(NamedTuple):
    """A topic to create; `configs` are Kafka's settings of it."""

    name: str
    partitions: int
    configs: dict[str, str]


def main() -> None:
    """Create what is missing, and try again as long as Kafka does not answer."""
    apply_to_kafka_python()
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    topics = list(declared_in(map(Path, sys.argv[1:])))
    while True:
        try:
            create_missing(servers, topics)
        except KafkaError as error:
            print(f"Kafka at {','.join(servers)} does not answer yet: {error}", flush=True)
            time.sleep(_PAUSE_S)
        else:
            break
    print(f"The topics are there: {', '.join(topic.name for topic in topics)}", flush=True)


def declared_in(folders: Iterable[Path]) -> Iterator[Topic]:
    """Yield the topics of the folders' manifests; files of another kind have none."""
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            topic = read_topic(path.read_text(encoding="utf-8"))
            if topic is not None:
                yield topic


def read_topic(manifest: str) -> Topic | None:
    """Return the topic of a KafkaTopic without its copies, None for another kind."""
    values: dict[tuple[str, ...], str] = {}
    path: list[str] = []
    for line in manifest.splitlines():
        name, colon, value = line.partition(":")
        if not colon or line.lstrip().startswith("#"):
            continue
        path = [*path[: (len(name) - len(name.lstrip())) // 2], name.strip()]
        values[tuple(path)] = value.strip().strip('"')
    if values.get(("kind",)) != "KafkaTopic":
        return None
    configs = {path[2]: value for path, value in values.items() if path[:2] == ("spec", "config") and len(path) == 3}
    configs.pop("min.insync.replicas", None)
    name = values.get(("spec", "topicName")) or values["metadata", "name"]
    return Topic(name, int(values["spec", "partitions"]), configs)


def create_missing(servers: list[str], topics: Iterable[Topic]) -> None:
    """Create the topics that are missing, and wait until each has a leader. Raises KafkaError."""
    wanted = {topic.name: topic for topic in topics}
    with KafkaAdminClient(bootstrap_servers=servers, bootstrap_timeout_ms=10_000) as admin:
        for name in wanted.keys() - set(admin.list_topics()):
            settings = {"num_partitions": wanted[name].partitions, "configs": wanted[name].configs}
            try:
                admin.create_topics({name: settings})
            except TopicAlreadyExistsError:
                continue  # another job of compose.yaml has just created it
            print(f"✓ {name}", flush=True)
        admin.wait_for_topics(list(wanted), timeout_ms=30_000)


if __name__ == "__main__":
    main()
