"""The settings of the processor. Durations are in milliseconds."""

from dataclasses import dataclass
from typing import cast

from clickstream_core.kafka import KafkaSettings, TopicSettings
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, duration, integer, setting, text
from clickstream_streams.windows import CountingRules, WindowTime


@dataclass(frozen=True)
class StreamsSettings:
    """Everything that a user tunes."""

    kafka: KafkaSettings
    topics: TopicSettings
    service: ServiceSettings
    group_id: str = setting(
        "GROUP_ID",
        parse=text,
        default="clickstream-processor",
        help="consumer group of stage 1; a second group needs a PARTIALS_TOPIC, METRICS_TOPIC and DEAD_LETTER_TOPIC of"
        " its own",
    )
    window_size: int = setting(
        "WINDOW_SIZE",
        parse=duration(minimum="1s", maximum="1d", whole_seconds=True),
        default="5m",
        help="length of the tumbling windows",
    )
    window_time: str = setting(
        "WINDOW_TIME",
        parse=choice("event", "arrival"),
        default="event",
        help="what puts an event into a window: event, its timestamp, or arrival, the Kafka record's",
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
        help="silence after which a partition that is caught up follows the clock",
    )
    max_clock_skew: int = setting(
        "MAX_CLOCK_SKEW",
        parse=duration(minimum="0s", maximum="1d"),
        default="1m",
        help="how far an event's time may lie ahead of its record's timestamp",
    )
    commit_interval: int = setting(
        "COMMIT_INTERVAL",
        parse=duration(minimum="100ms", maximum="1m"),
        default="1s",
        help="how long processed events wait for their commit",
    )
    exact_limit: int = setting(
        "EXACT_LIMIT",
        parse=integer(minimum=1, maximum=10_000_000),
        default="100000",
        help="distinct ids per window and partition that are counted exactly; a sketch counts beyond",
    )

    @property
    def rules(self) -> CountingRules:
        """The settings that decide what is counted where."""
        return CountingRules(self.window_size, cast(WindowTime, self.window_time), self.max_clock_skew)

    @property
    def merge_group_id(self) -> str:
        """The consumer group of stage 2, and its transactional id."""
        return f"{self.group_id}-merge"

    def transactional_id(self, partition: int) -> str:
        """The transactional id of a partition of the events topic."""
        return f"{self.group_id}-events-{partition}"
