"""The producer's settings: how much it generates, and which kind of records."""

from dataclasses import dataclass

from clickstream_core.event_rates import HIGHEST_RATE, LOWEST_RATE
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, duration, integer, number, setting, setting_of
from clickstream_kafka.settings import KafkaSettings, TopicSettings

APP = "clickstream-producer"
WEBLOG_TOPIC = "web_logs"


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
        parse=choice("events", "weblog"),
        default="events",
        help=f"events (to EVENTS_TOPIC) or weblog (web server logs, to topic {WEBLOG_TOPIC})",
    )

    @property
    def topic(self) -> str:
        return WEBLOG_TOPIC if self.kind == "weblog" else self.events_topic
