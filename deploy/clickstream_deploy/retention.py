"""How long the topics have to keep their records for the processor's settings.

A restart reads again what belongs to the windows that may still change: events and partial results of WINDOW_SIZE +
OUT_OF_ORDERNESS + ALLOWED_LATENESS, and the results of these windows. That is what is needed, and at worst
MAX_CLOCK_SKEW + IDLE_TIMEOUT more. What is given is twice as much, so that a processor that was away for a while finds
it all, in whole hours, and no less than the manifest says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from clickstream_core.durations import parse_duration
from clickstream_core.processor_times import ProcessorTimes
from clickstream_deploy.resources import Manifest, at

_HOUR_MS = 3_600_000
_KAFKAS_OWN_MS = 604_800_000
"""Where neither the topic nor the brokers say otherwise."""

_TOPICS = ("EVENTS_TOPIC", "PARTIALS_TOPIC", "METRICS_TOPIC")
NEEDED = "WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS"


@dataclass(frozen=True)
class Retention:
    """What is needed, and what is given, for the topics that the processor reads again."""

    needed_ms: int
    ample_ms: int
    topics: tuple[str, ...]


def retention_for(environment: Mapping[str, str]) -> Retention:
    """Compute it from the settings in the environment of the processor's container."""
    # Whatever the processor would refuse, it refuses itself, in better words.
    times = ProcessorTimes(
        **{each.name: _milliseconds(environment.get(each.name.upper(), "")) for each in fields(ProcessorTimes)}
    )
    wanted = max(2 * times.needed_ms, times.longest_needed_ms)
    topics = tuple(environment[name] for name in _TOPICS if name in environment)
    return Retention(times.needed_ms, -(-wanted // _HOUR_MS) * _HOUR_MS, topics)


def is_shorter(retention_ms: int, than_ms: int) -> bool:
    """Whether records are kept for a shorter time; -1 keeps them forever."""
    return 0 <= retention_ms < than_ms


def default_retention_ms(kafka: Manifest) -> int:
    """Return the retention of topics without their own, from the Kafka resource."""
    config = at(kafka, "spec", "kafka", "config") or {}
    for name, unit_ms in (
        ("log.retention.ms", 1),
        ("log.retention.minutes", 60_000),
        ("log.retention.hours", _HOUR_MS),
    ):
        if name in config:
            return int(config[name]) * unit_ms
    return _KAFKAS_OWN_MS


def in_words(milliseconds: int) -> str:
    """Return a duration in words, as 49 h or 24 h 1 min 5 s."""
    seconds, rest = divmod(milliseconds, 1000)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"), (rest, "ms"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 ms"


def _milliseconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError:
        return 0
