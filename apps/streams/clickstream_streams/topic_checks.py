"""Checks of the topics' settings at the start: the topics may have been made by other means than setup.sh.

A topic that may lose what a restart must read again is an error, with the command that fixes it; so is a topic with a
retention in bytes, because how long these last is unknown, and an internal topic that is too small for the processor's
records (only dead letters can be made smaller). An events topic that accepts records from clocks that run ahead is a
warning: their times are not believed (`watermarks`), but that helps only while the processor keeps up. A warning is
also a topic of ours with its writers' timestamps: the brokers' time is then not known (`clickstream_kafka.clock`).
"""

import logging
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from clickstream_core.durations import format_duration
from clickstream_core.processor_times import (
    alter_command,
    explain_short_retention,
    retention_changes,
    timestamp_type_changes,
)
from clickstream_kafka.errors import FatalError
from clickstream_kafka.transactions import MIN_MESSAGE_BYTES
from clickstream_streams.settings import StreamsSettings

_AFTER, _DIFFERENCE = "message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"
_ANY = 2**63 - 1
"""The value of both that means no limit."""

_MIN_LIMIT_MS = 1_000
"""A stricter limit would refuse batches of clocks that are right."""

_log = logging.getLogger(__name__)


async def check_topics(admin: AIOKafkaAdminClient, settings: StreamsSettings, partitions: Mapping[str, int]) -> None:
    """Raise FatalError for topics that may lose what a restart needs, or refuse the processor's records.

    Warn of topics that may lose it at worst, of an events topic that accepts records from clocks that run ahead, and of
    topics without the brokers' time. `partitions` says how many partitions each topic has; the partials topic must have
    one.
    """
    topics, times = settings.topics, settings.times
    if partitions[topics.partials_topic] != 1:
        count = partitions[topics.partials_topic]
        raise FatalError(f"PARTIALS_TOPIC={topics.partials_topic} has {count} partitions; it must have exactly one")
    refused = []
    for topic in (topics.events_topic, topics.partials_topic, topics.metrics_topic):
        config = await topic_config(admin, topic)
        command = _command(settings, topic, retention_changes(config, times.longest_needed_ms, times.kept_ms))
        if why := explain_short_retention(topic, config, times):
            refused.append(f"{why}: lower these, or {command}")
        elif why := explain_short_retention(topic, config, times, at_worst=True):
            _log.warning("%s at worst: lower these, or %s", why, command)
        if topic == topics.events_topic:
            _warn_of_clocks_ahead(settings, config)
            continue
        if (limit := int(config.get("max.message.bytes", MIN_MESSAGE_BYTES))) < MIN_MESSAGE_BYTES:
            command = _command(settings, topic, {"max.message.bytes": str(MIN_MESSAGE_BYTES)})
            refused.append(f"{topic} takes at most {limit} bytes at once, the processor may write more: {command}")
        if changes := timestamp_type_changes(config):
            _warn_of_writers_clocks(settings, topic, changes)
    if refused:
        raise FatalError("; ".join(refused))


def _warn_of_clocks_ahead(settings: StreamsSettings, config: Mapping[str, str]) -> None:
    changes = how_to_refuse_clocks_ahead(config, settings.max_clock_skew)
    if changes:
        _log.warning(
            "%s accepts records whose timestamps are %s ahead of the clock, MAX_CLOCK_SKEW is %s: a machine whose "
            "clock is fast opens windows ahead of their time, and makes events of others late when the processor was "
            "away for as long. To refuse its records: %s",
            settings.topics.events_topic,
            _up_to(allowed_ahead(config)),
            format_duration(settings.max_clock_skew),
            _command(settings, settings.topics.events_topic, changes),
        )


def _warn_of_writers_clocks(settings: StreamsSettings, topic: str, changes: Mapping[str, str]) -> None:
    _log.warning(
        "records on %s have the time of the replica that writes them, not the brokers'%s. To have that: %s",
        topic,
        ": so no replica learns how far its clock is off, each goes by its own, and one that is ahead makes events late"
        if topic == settings.topics.partials_topic
        else "",
        _command(settings, topic, changes),
    )


def _command(settings: StreamsSettings, topic: str, changes: Mapping[str, str]) -> str:
    kafka = settings.kafka
    return alter_command(topic, changes, kafka.bootstrap_servers, secured=kafka.uses_sasl or kafka.uses_tls)


async def topic_config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """Return the topic's settings by name, the brokers' defaults included; {} if they may not be read."""
    try:
        config: dict[str, str] = {}
        for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]):
            for error_code, _, _, name, entries in response.resources:
                if error_code:
                    raise for_code(error_code)(name)
                config |= {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    except (KafkaError, OSError, TimeoutError) as error:
        _log.warning("can't check whether the retention of %s is long enough: %s", topic, error)
        return {}
    return config


def allowed_ahead(config: Mapping[str, str]) -> int:
    """Return how many milliseconds a record's timestamp may be after the broker's clock.

    Brokers before 3.6 have one limit for both directions; later ones before 4.0 use it where the other is not set.
    """
    if config.get("message.timestamp.type") == "LogAppendTime":
        return 0
    limits = [int(config[name]) for name in (_AFTER, _DIFFERENCE) if name in config]
    return next((limit for limit in limits if limit != _ANY), max(limits, default=0))


def how_to_refuse_clocks_ahead(config: Mapping[str, str], max_clock_skew: int) -> dict[str, str]:
    """Return the topic setting that refuses records further ahead than that; {} if it is set already."""
    limit = max(max_clock_skew, _MIN_LIMIT_MS)
    if allowed_ahead(config) <= limit:
        return {}
    return {_AFTER if _AFTER in config else _DIFFERENCE: str(limit)}


def _up_to(milliseconds: int) -> str:
    return "any time" if milliseconds == _ANY else f"up to {format_duration(milliseconds)}"
