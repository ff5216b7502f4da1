"""How long the topics have to keep their records for the processor's settings, by the processor's own arithmetic
(clickstream_core.processor_times).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields

from clickstream_core.durations import parse_duration
from clickstream_core.processor_times import ProcessorTimes
from clickstream_deploy.objects import Manifest, at

REPLAYED = ("EVENTS_TOPIC", "PARTIALS_TOPIC", "METRICS_TOPIC")
"""The settings that name the topics which a restart of the processor reads again."""
NEEDED = "WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS"

_UNITS_MS = {"log.retention.ms": 1, "log.retention.minutes": 60_000, "log.retention.hours": 3_600_000}
_KAFKAS_OWN_MS = 604_800_000
"""Where neither the topic nor the brokers say otherwise."""


def processor_times(environment: Mapping[str, str]) -> ProcessorTimes:
    """Return the settings in the environment of the processor's container."""
    found = {}
    for each in fields(ProcessorTimes):
        # Whatever the processor would refuse, it refuses itself, in better words.
        found[each.name] = 0
        with suppress(ValueError):
            found[each.name] = parse_duration(environment.get(each.name.upper(), ""))
    return ProcessorTimes(**found)


def is_shorter(retention_ms: int, than_ms: int) -> bool:
    """Whether records are kept for a shorter time; -1 keeps them forever."""
    return 0 <= retention_ms < than_ms


def default_retention_ms(kafka: Manifest) -> int:
    """Return the retention of topics without their own, from the Kafka resource."""
    config = at(kafka, "spec", "kafka", "config") or {}
    return next((int(config[name]) * ms for name, ms in _UNITS_MS.items() if name in config), _KAFKAS_OWN_MS)


def in_words(milliseconds: int) -> str:
    """Return a duration in words, as 49 h or 24 h 1 min 5 s."""
    seconds, rest = divmod(milliseconds, 1000)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"), (rest, "ms"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 ms"
