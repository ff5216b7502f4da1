"""The processor's durations, and how long Kafka must keep records for them (docs/deploy.md#retention).

They are declared here because the code that creates the topics needs them too. A restart reads again everything from
which a window that can still change was counted, so a topic that keeps records for less than WINDOW_SIZE +
OUT_OF_ORDERNESS + ALLOWED_LATENESS is refused. At worst it needs them longer: an event may be MAX_CLOCK_SKEW ahead of
its record, and the windows of an idle partition close after IDLE_TIMEOUT. Topics that the product creates keep records
for that time plus at least MARGIN_MS, rounded up to whole days. All times are in milliseconds.

What the processor writes gets the brokers' time (BROKERS_TIME), from which a replica learns how far its clock is off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clickstream_core.durations import format_duration
from clickstream_core.settings import duration, setting

DAY_MS = 24 * 60 * 60 * 1000

MARGIN_MS = DAY_MS // 2
"""How long a processor may be down at least before a topic of the product has deleted what it needs."""

_TIMESTAMP_TYPE = "message.timestamp.type"
BROKERS_TIME = {_TIMESTAMP_TYPE: "LogAppendTime"}
"""The setting of the topics of partials and metrics."""

_NEEDED = "WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS"


@dataclass(frozen=True)
class ProcessorTimes:
    """The durations that decide how long records are needed."""

    window_size: int = setting(
        "WINDOW_SIZE",
        parse=duration(minimum="1s", maximum="1d", whole_seconds=True),
        default="5m",
        help="length of the tumbling windows",
    )
    out_of_orderness: int = setting(
        "OUT_OF_ORDERNESS",
        parse=duration(minimum="0s", maximum="1d"),
        default="5s",
        help="how long a window waits for events that arrive out of order",
    )
    allowed_lateness: int = setting(
        "ALLOWED_LATENESS",
        parse=duration(minimum="0s", maximum="7d"),
        default="1m",
        help="how long after that an event still changes its window's result",
    )
    idle_timeout: int = setting(
        "IDLE_TIMEOUT",
        parse=duration(minimum="1s", maximum="1d"),
        default="10s",
        help="silence after which a partition that is caught up follows the brokers' clock",
    )
    max_clock_skew: int = setting(
        "MAX_CLOCK_SKEW",
        parse=duration(minimum="0s", maximum="1d"),
        default="1m",
        help="how far an event's time may lie ahead of its record's timestamp",
    )

    @property
    def needed_ms(self) -> int:
        """How long a restart needs records."""
        return self.window_size + self.out_of_orderness + self.allowed_lateness

    @property
    def longest_needed_ms(self) -> int:
        """How long a restart needs records in the worst case."""
        return self.needed_ms + self.max_clock_skew + self.idle_timeout

    @property
    def kept_ms(self) -> int:
        """How long a topic that the product creates keeps them: whole days."""
        return -(-(self.longest_needed_ms + MARGIN_MS) // DAY_MS) * DAY_MS


def retention_changes(config: Mapping[str, str], least_ms: int, kept_ms: int) -> dict[str, str]:
    """Return the changes to a topic's settings if it keeps records for less than `least_ms`; {} for none.

    Changed, it keeps them for `kept_ms`. `config` are the topic's settings as Kafka returns them, all as text. A limit
    in bytes guarantees no time, so it is removed. A topic that is only compacted deletes nothing because of its age.
    """
    if "delete" not in config.get("cleanup.policy", "delete"):
        return {}
    changes = {}
    if 0 <= int(config.get("retention.ms", "-1")) < least_ms:
        changes["retention.ms"] = str(kept_ms)
    if int(config.get("retention.bytes", "-1")) >= 0:
        changes["retention.bytes"] = "-1"
    return changes


def timestamp_type_changes(config: Mapping[str, str]) -> dict[str, str]:
    """Return the changes to a topic's settings after which its records have the brokers' time; {} for none.

    `config` as for `retention_changes`.
    """
    return {} if config.get(_TIMESTAMP_TYPE, "LogAppendTime") == "LogAppendTime" else BROKERS_TIME


def explain_short_retention(
    topic: str, config: Mapping[str, str], times: ProcessorTimes, *, at_worst: bool = False
) -> str:
    """Return why the topic may lose records that a restart needs, or may need at worst; "" if it can't."""
    least = times.longest_needed_ms if at_worst else times.needed_ms
    changes = retention_changes(config, least, times.kept_ms)
    found = []
    if "retention.ms" in changes:
        found.append(f"keeps records for {format_duration(int(config['retention.ms']))}")
    if "retention.bytes" in changes:
        found.append(f"keeps at most {config['retention.bytes']} bytes of a partition, however new (retention.bytes)")
    names = _NEEDED + (" + MAX_CLOCK_SKEW + IDLE_TIMEOUT" if at_worst else "")
    return f"{topic} {' and '.join(found)}, a restart must replay {format_duration(least)} ({names})" if found else ""


def alter_command(topic: str, changes: Mapping[str, str], bootstrap_servers: Sequence[str], *, secured: bool) -> str:
    """Return Kafka's command that makes these changes to the topic's settings."""
    login = " --command-config client.properties" if secured else ""
    config = ",".join(f"{name}={value}" for name, value in changes.items())
    return (
        f"kafka-configs.sh --bootstrap-server {','.join(bootstrap_servers)}{login} --alter --entity-type topics"
        f" --entity-name {topic} --add-config {config}"
    )
