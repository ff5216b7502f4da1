"""The settings of the processor. Durations are in milliseconds."""

from dataclasses import dataclass
from typing import cast

from clickstream_core.durations import format_duration
from clickstream_core.errors import SettingsError
from clickstream_core.groups import DEFAULT_GROUP, GROUP_HEADER
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, duration, integer, setting, setting_of, text
from clickstream_kafka.settings import KafkaSettings, TopicSettings
from clickstream_streams.counts import MOST_EXACT_IDS
from clickstream_streams.windows import CountingRules, WindowTime
from clickstream_streams.worst_case import MOST_CHANGING_WINDOWS, changing_windows, smallest_window_size

_MERGE = "-merge"


@dataclass(frozen=True)
class StreamsSettings:
    """Everything that a user can set."""

    kafka: KafkaSettings
    topics: TopicSettings
    service: ServiceSettings
    group_id: str = setting(
        "GROUP_ID",
        parse=text,
        default=DEFAULT_GROUP,
        help="consumer group of stage 1; processors of different groups count the same topics independently",
    )
    window_size: int = setting_of(ProcessorTimes, "window_size")
    window_time: str = setting(
        "WINDOW_TIME",
        parse=choice("event", "arrival"),
        default="event",
        help="what puts an event into a window: event, its timestamp, or arrival, the Kafka record's",
    )
    out_of_orderness: int = setting_of(ProcessorTimes, "out_of_orderness")
    allowed_lateness: int = setting_of(ProcessorTimes, "allowed_lateness")
    idle_timeout: int = setting_of(ProcessorTimes, "idle_timeout")
    max_clock_skew: int = setting_of(ProcessorTimes, "max_clock_skew")
    commit_interval: int = setting(
        "COMMIT_INTERVAL",
        parse=duration(minimum="100ms", maximum="1m"),
        default="1s",
        help="how long processed events wait for their commit",
    )
    revision_interval: int = setting(
        "REVISION_INTERVAL",
        parse=duration(minimum="0s", maximum="1h"),
        default="10s",
        help="time between two revisions of a window, at least; its first and its last result do not wait",
    )
    exact_limit: int = setting(
        "EXACT_LIMIT",
        parse=integer(minimum=1, maximum=MOST_EXACT_IDS),
        default="100000",
        help="distinct ids, and names, per window and partition that are counted exactly; a sketch counts beyond",
    )

    counting: str = setting(
        "COUNTING",
        parse=choice("auto", "native", "python"),
        default="auto",
        help="what counts: native, the wheel clickstream-native; python; or auto, native if it is installed",
    )

    def validate(self) -> None:
        """Raise SettingsError for a group id that could be another's stage 2, and for too many windows."""
        if self.group_id.endswith(_MERGE):
            raise SettingsError(
                f"GROUP_ID={self.group_id}: expected a name that does not end in {_MERGE}, as stage 2's groups do"
            )
        windows = changing_windows(self.times)
        if windows > MOST_CHANGING_WINDOWS:
            raise SettingsError(
                f"WINDOW_SIZE={format_duration(self.window_size)}: expected at least"
                f" {format_duration(smallest_window_size(self.times))} with"
                f" ALLOWED_LATENESS={format_duration(self.allowed_lateness)},"
                f" OUT_OF_ORDERNESS={format_duration(self.out_of_orderness)} and"
                f" MAX_CLOCK_SKEW={format_duration(self.max_clock_skew)}: {windows} windows could change at a time, and"
                f" {MOST_CHANGING_WINDOWS} can be held"
            )

    @property
    def rules(self) -> CountingRules:
        """The settings that decide what is counted where."""
        return CountingRules(self.window_size, cast(WindowTime, self.window_time), self.max_clock_skew)

    @property
    def times(self) -> ProcessorTimes:
        """The settings that decide how long the topics must keep their records."""
        return ProcessorTimes(
            self.window_size, self.out_of_orderness, self.allowed_lateness, self.idle_timeout, self.max_clock_skew
        )

    @property
    def merge_group_id(self) -> str:
        """The consumer group of stage 2, and its transactional id."""
        return f"{self.group_id}{_MERGE}"

    @property
    def group_header(self) -> tuple[str, bytes]:
        """The header of every written record: the group of the processor that wrote it."""
        return GROUP_HEADER, self.group_id.encode()

    def transactional_id(self, partition: int) -> str:
        """The transactional id of a partition of the events topic."""
        return f"{self.group_id}-events-{partition}"
