"""Creates the topics of strimzi/base/topics on any Kafka.

Partitions and limits are those of production. The replication factor is the cluster's default, which is 1 on the
embedded broker. Topics of the pipeline keep their records for as long as the processor's settings require. An existing
topic is not changed, with three exceptions for our own topics: a retention that is too short is raised (and never
lowered), the processor's output gets the brokers' timestamps if it was created without them, and what the archive reads
refuses timestamps that would end it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from clickstream_core.durations import format_duration
from clickstream_core.processor_times import (
    BROKERS_TIME,
    ProcessorTimes,
    alter_command,
    explain_short_retention,
    retention_changes,
    timestamp_type_changes,
)
from clickstream_local.errors import TopicsFailed
from clickstream_local.settings import ACCESS_LOGS, SCENARIO_RESULTS

_CONNECT_MS = 10_000
_BEFORE = "message.timestamp.before.max.ms"
_CONTROL = "clickstream-archive-control"
_STRIMZI = Path(__file__).parents[2] / "strimzi"
_PIPELINE = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")


@dataclass(frozen=True)
class Topic:
    """A topic to create; `configs` are Kafka's topic settings, `replayed`: the processor rereads it after a restart."""

    name: str
    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False


def clickstream_topics(
    events: str, metrics: str, partials: str, dead_letters: str, *, times: ProcessorTimes | None = None
) -> tuple[Topic, ...]:
    """Return the pipeline's four topics under the given names, then all others of strimzi/base/topics.

    Dead letters are kept as long as the events: a recount of the events excludes those in the dead letters.
    """
    declared = {topic.name: topic for topic in _declared_in("base")}
    kept_ms = (times or ProcessorTimes()).kept_ms
    pipeline = []
    for name, called in zip(_PIPELINE, (events, metrics, partials, dead_letters), strict=True):
        topic = declared.pop(name)
        retention_ms = max(kept_ms, int(topic.configs["retention.ms"]))
        configs = {**topic.configs, "retention.ms": str(retention_ms)}
        pipeline.append(replace(topic, name=called, configs=configs, replayed=name != _PIPELINE[-1]))
    return (*pipeline, *declared.values())


def archive_topics(control: str = _CONTROL) -> tuple[Topic, ...]:
    """Return the topics that the archive's connector needs for itself, its control topic under this name."""
    declared = _declared_in("archive", "clickstream-archive-*.yaml")  # a worker makes its own
    return tuple(replace(topic, name=control) if topic.name == _CONTROL else topic for topic in declared)


def scenario_topics(access_logs: str = ACCESS_LOGS, results: str = SCENARIO_RESULTS) -> tuple[Topic, ...]:
    """Return the topics of the scenarios under the given names: access logs and results."""
    names = {ACCESS_LOGS: access_logs, SCENARIO_RESULTS: results}
    return tuple(replace(topic, name=names[topic.name]) for topic in _declared_in("scenarios"))


def _declared_in(folder: str, files: str = "*.yaml") -> tuple[Topic, ...]:
    manifests = sorted((_STRIMZI / folder / "topics").glob(files))
    return tuple(topic for path in manifests if (topic := _declared(path)))


def _declared(path: Path) -> Topic | None:
    """Return the topic of a KafkaTopic's manifest without its replication, None for other resources."""
    manifest = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # which keeps numbers as text
    if manifest["kind"] != "KafkaTopic":
        return None
    spec = manifest["spec"]
    configs = {name: value for name, value in spec["config"].items() if name != "min.insync.replicas"}
    return Topic(spec.get("topicName", manifest["metadata"]["name"]), int(spec["partitions"]), configs)


def create_missing(kafka_config: Mapping[str, Any], topics: Iterable[Topic]) -> tuple[str, ...]:
    """Create the missing topics, wait until each partition has a leader, and return the names of the new ones.

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
                    continue  # another client has just created it
                created.append(topic.name)
            admin.wait_for_topics([topic.name for topic in wanted], timeout_ms=30_000)
    except (KafkaError, TimeoutError) as error:
        raise TopicsFailed(
            f"could not create the topics on {', '.join(kafka_config['bootstrap_servers'])}: {error}. "
            f"Check that Kafka runs there and that this user may create topics"
        ) from error
    return tuple(created)


def keep_long_enough(
    kafka_config: Mapping[str, Any], topics: Collection[Topic], times: ProcessorTimes, own: Collection[str]
) -> str:
    """Raise the retention of `own` topics to that of `topics`; returns one line about the changes, "" if none.

    They also get the brokers' timestamps where `topics` have them. Raises TopicsFailed, with the command that fixes it,
    for topics of others that may lose records that the processor must reread.
    """
    servers = kafka_config["bootstrap_servers"]
    raised, refused = [], []
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            for topic in topics:
                config = _settings_of(admin, topic.name)
                if topic.name in own:
                    least = int(topic.configs["retention.ms"])
                    changes = retention_changes(config, least, least)
                    stamp = timestamp_type_changes(config) if topic.configs.items() >= BROKERS_TIME.items() else {}
                    stamp = {**stamp, **_limit_changes(topic, config)}
                    if changes or stamp:
                        _change(admin, topic.name, {**changes, **stamp})
                    if changes:
                        raised.append(f"{topic.name} {_kept({**config, **changes})} (was {_kept(config)})")
                elif topic.replayed and (why := explain_short_retention(topic.name, config, times)):
                    changes = retention_changes(config, times.longest_needed_ms, times.kept_ms)
                    secured = kafka_config["security_protocol"] != "PLAINTEXT"
                    refused.append(
                        f"{why}: lower these, or {alter_command(topic.name, changes, servers, secured=secured)}"
                    )
    except (KafkaError, TimeoutError) as error:
        raise TopicsFailed(f"could not check the retention of the topics on {', '.join(servers)}: {error}") from error
    if refused:
        raise TopicsFailed("; ".join(refused))
    need = format_duration(times.needed_ms)
    return f"Topics keep their records for longer: {', '.join(raised)}; a restart needs {need}" if raised else ""


def risk_of_timestamps(kafka_config: Mapping[str, Any], archived: Iterable[Topic]) -> str:
    """Return one line about topics whose records' timestamps may end the archive's sink, "" if none's may.

    Raises TopicsFailed.
    """
    servers, secured = kafka_config["bootstrap_servers"], kafka_config["security_protocol"] != "PLAINTEXT"
    try:
        with KafkaAdminClient(**{"bootstrap_timeout_ms": _CONNECT_MS, **kafka_config}) as admin:
            changes = {topic.name: _limit_changes(topic, _settings_of(admin, topic.name)) for topic in archived}
    except (KafkaError, TimeoutError) as error:
        raise TopicsFailed(f"could not ask {', '.join(servers)} for the topics' settings: {error}") from error
    commands = [alter_command(name, change, servers, secured=secured) for name, change in changes.items() if change]
    return f"A record with a negative timestamp would end the archive: {'; '.join(commands)}" if commands else ""


def _limit_changes(topic: Topic, config: Mapping[str, str]) -> dict[str, str]:
    """Return the change after which it takes no older timestamps than declared; {} if its settings are unknown."""
    wanted = topic.configs.get(_BEFORE)
    if wanted is None or int(config.get(_BEFORE, "0")) <= int(wanted):
        return {}
    return {_BEFORE: wanted}


def _settings_of(admin: KafkaAdminClient, topic: str) -> dict[str, str]:
    """Return the topic's settings, {} if this user may not describe them."""
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
    return " and ".join(limits) or "forever"
