"""The producer's settings: how much it generates, and which kind of records."""

import re
from dataclasses import dataclass
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_core.event_rates import HIGHEST_RATE, LOWEST_RATE
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, duration, integer, number, setting, setting_of
from clickstream_kafka.settings import KafkaSettings, TopicSettings, topic_name

APP = "clickstream-producer"
WEBLOG_TOPIC = "web_logs"


def _appendable(value: str) -> Path:
    """A file that can be written; it is made if it is missing."""
    file = Path(value)
    try:
        with file.open("ab"):
            return file
    except OSError as error:
        raise ValueError(f"expected a file that can be written ({error.strerror})") from error


def _scenario_ids(value: str) -> tuple[int, ...]:
    """Whole numbers from 1 on, separated by commas."""
    if not re.fullmatch("[1-9][0-9]{0,17}(,[1-9][0-9]{0,17})*", value):
        raise ValueError("expected whole numbers from 1 on, separated by commas")
    return tuple(map(int, value.split(",")))


@dataclass(frozen=True)
class ProducerSettings:
    """All settings of the producer; without SEED each run differs."""

    kafka: KafkaSettings
    service: ServiceSettings
    events_topic: str = setting_of(TopicSettings, "events_topic")
    rate: float = setting(
        "RATE",
        parse=number(minimum=LOWEST_RATE, maximum=HIGHEST_RATE),
        default="10",
        help="events per second, 1 to 20000 exactly",
    )
    duration: int | None = setting(
        "DURATION",
        parse=duration(minimum="1ms", maximum="365d"),
        help="how long to generate, such as 30s or 5m; without it until it is stopped",
    )
    users: int = setting("USERS", parse=integer(minimum=1, maximum=10_000_000), default="100", help="simulated users")
    seed: int | None = setting(
        "SEED", parse=integer(), help="same seed, same events but for ids and times; without it each run differs"
    )
    kind: str = setting(
        "KIND",
        parse=choice("events", "weblog", "access-log"),
        default="events",
        help=f"events (to EVENTS_TOPIC), weblog (web server logs, to topic {WEBLOG_TOPIC}) or access-log (tracking"
        " requests of scenarios, to ACCESS_LOGS_TOPIC)",
    )
    access_logs_topic: str = setting(
        "ACCESS_LOGS_TOPIC", parse=topic_name, default="clickstream-access-logs", help="topic of KIND=access-log"
    )
    access_log_file: Path | None = setting(
        "ACCESS_LOG_FILE",
        parse=_appendable,
        help="file to which KIND=access-log appends each request too, for a shipper",
    )
    scenario_ids: tuple[int, ...] = setting(
        "SCENARIO_IDS",
        parse=_scenario_ids,
        default="1,2,3",
        help="scenarios that the requests of KIND=access-log name, the first most often",
    )

    @property
    def topic(self) -> str:
        topics = {"weblog": WEBLOG_TOPIC, "access-log": self.access_logs_topic}
        return topics.get(self.kind, self.events_topic)

    def validate(self) -> None:
        """Raise SettingsError for a file without the records that it is for."""
        if self.access_log_file is not None and self.kind != "access-log":
            raise SettingsError(f"ACCESS_LOG_FILE has no effect with KIND={self.kind}: expected KIND=access-log")
