"""The topics that the pipeline needs, and their creation on whatever cluster it runs on.

Partitions and limits are those of production. The replication factor is left to the cluster's default, which is 1 on
the embedded broker. A topic that exists is left as it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from clickstream_local.errors import TopicsFailed

_DAY_MS = 24 * 60 * 60 * 1000
_CONNECT_MS = 10_000
_EIGHT_MIB = str(8 * 1024 * 1024)


@dataclass(frozen=True)
class Topic:
    """A topic to be created; `configs` are Kafka's topic settings, all as text."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)


def clickstream_topics(events: str, metrics: str, partials: str, dead_letters: str) -> tuple[Topic, ...]:
    """The pipeline's topics under the given names, and web_logs, to which the producer's other kind of record goes."""
    day, week = {"retention.ms": str(_DAY_MS)}, {"retention.ms": str(7 * _DAY_MS)}
    return (
        # Arrival is a clock as well: a record that claims to arrive later than a minute from now is refused.
        Topic(events, 6, {"cleanup.policy": "delete", "message.timestamp.after.max.ms": "60000", **day}),
        Topic(metrics, 3, {"cleanup.policy": "delete", **week}),
        Topic(partials, 1, {"cleanup.policy": "delete", "max.message.bytes": _EIGHT_MIB, **day}),
        Topic(dead_letters, 3, {"cleanup.policy": "delete", "max.message.bytes": _EIGHT_MIB, **week}),
        Topic("web_logs", 3, {"cleanup.policy": "delete", **day}),
    )


def create_missing(kafka_config: Mapping[str, Any], topics: Iterable[Topic]) -> tuple[str, ...]:
    """Create those of the topics that are not there and wait until each partition has a leader; returns their names.

    `kafka_config` are the keyword arguments of kafka-python's clients. Raises TopicsFailed.
    """
    wanted = tuple(topics)
    created = []
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            existing = set(admin.list_topics())
            for topic in wanted:
                if topic.name in existing:
                    continue
                settings = {"num_partitions": topic.partitions, "configs": dict(topic.configs)}
                try:
                    admin.create_topics({topic.name: settings})
                except TopicAlreadyExistsError:
                    continue  # somebody else was faster
                created.append(topic.name)
            admin.wait_for_topics([topic.name for topic in wanted], timeout_ms=30_000)
    except (KafkaError, TimeoutError) as error:
        raise TopicsFailed(
            f"could not create the topics on {', '.join(kafka_config['bootstrap_servers'])}: {error}. "
            f"Check that Kafka runs there and lets this user create topics"
        ) from error
    return tuple(created)
