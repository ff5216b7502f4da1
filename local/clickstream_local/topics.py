"""The topics that the pipeline needs, and their creation on whatever cluster it runs on.

Partitions and limits are those of production. The replication factor is left to the cluster's default, which is 1 on
the embedded broker. Each topic keeps its records for as long as the processor's settings need them. A topic that exists
is left as it is, but for one of our own that keeps less than that: its retention is raised, and never lowered. And our
own of the processor's output get the brokers' time, if they were made before they had it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from clickstream_core.durations import format_duration
from clickstream_core.processor_times import (
    BROKERS_TIME,
    DAY_MS,
    ProcessorTimes,
    mending_command,
    what_falls_short,
    what_tells_no_time,
    why_too_little,
)
from clickstream_local.errors import TopicsFailed

_CONNECT_MS = 10_000
_EIGHT_MIB = str(8 * 1024 * 1024)
_ALL = {"cleanup.policy": "delete", "compression.type": "producer"}


@dataclass(frozen=True)
class Topic:
    """A topic to be created; `configs` are Kafka's topic settings, all as text.

    `replayed` is whether the processor reads it again after a restart.
    """

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False


def clickstream_topics(
    events: str, metrics: str, partials: str, dead_letters: str, *, times: ProcessorTimes | None = None
) -> tuple[Topic, ...]:
    """The pipeline's topics under the given names, and web_logs, to which the producer's other kind of record goes.

    Dead letters are kept for as long as the events: who counts again leaves out what lies there.
    """
    kept = (times or ProcessorTimes()).kept_ms
    day, needed = {"retention.ms": str(DAY_MS)}, {"retention.ms": str(kept)}
    week = {"retention.ms": str(max(7 * DAY_MS, kept))}
    large = {"max.message.bytes": _EIGHT_MIB}
    return (
        # Arrival is a clock as well: a record that claims to arrive later than a minute from now is refused.
        Topic(events, 6, {**_ALL, "message.timestamp.after.max.ms": "60000", **needed}, True),
        Topic(metrics, 3, {**_ALL, **week, **BROKERS_TIME}, True),
        Topic(partials, 1, {**_ALL, **large, **needed, **BROKERS_TIME}, True),
        Topic(dead_letters, 3, {**_ALL, **large, **week}),
        Topic("web_logs", 3, {**_ALL, **day}),
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


def keep_long_enough(
    kafka_config: Mapping[str, Any], topics: Collection[Topic], times: ProcessorTimes, own: Collection[str]
) -> str:
    """Raise the retention of those of the `own` topics that keep less than in `topics`; return what was done in a line.

    They get the brokers' time too where `topics` have it. Raises TopicsFailed, with the command that mends it, for
    others that may lose what the processor reads again.
    """
    servers = kafka_config["bootstrap_servers"]
    raised, refused = [], []
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            for topic in topics:
                config = _settings_of(admin, topic.name)
                if topic.name in own:
                    least = int(topic.configs["retention.ms"])
                    changes = what_falls_short(config, least, least)
                    stamp = what_tells_no_time(config) if topic.configs.items() >= BROKERS_TIME.items() else {}
                    if changes or stamp:
                        _change(admin, topic.name, {**changes, **stamp})
                    if changes:
                        raised.append(f"{topic.name} {_kept({**config, **changes})} (was {_kept(config)})")
                elif topic.replayed and (why := why_too_little(topic.name, config, times)):
                    changes = what_falls_short(config, times.longest_needed_ms, times.kept_ms)
                    secured = kafka_config["security_protocol"] != "PLAINTEXT"
                    refused.append(
                        f"{why}: lower these, or {mending_command(topic.name, changes, servers, secured=secured)}"
                    )
    except (KafkaError, TimeoutError) as error:
        raise TopicsFailed(f"could not see to the topics' retention on {', '.join(servers)}: {error}") from error
    if refused:
        raise TopicsFailed("; ".join(refused))
    need = format_duration(times.needed_ms)
    return f"Topics keep their records for longer: {', '.join(raised)}; a restart needs {need}" if raised else ""


def _settings_of(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    """The topic's settings; none where this user may not look at them."""
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: entry["value"] for name, entry in found.items() if entry["value"] is not None}


def _change(admin: KafkaAdminClient, topic: str, changes: Mapping[str, str]) -> None:
    answer = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(changes))])["topic"][topic]
    if answer != "OK":
        raise TopicsFailed(f"could not change the settings of {topic}: {answer}")


def _kept(config: Mapping[str, str]) -> str:
    age, size = int(config.get("retention.ms", "-1")), int(config.get("retention.bytes", "-1"))
    limits = [format_duration(age)] if age >= 0 else []
    limits += [f"{size} bytes"] if size >= 0 else []
    return " and ".join(limits) or "for ever"
