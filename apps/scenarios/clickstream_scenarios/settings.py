"""The settings of the stream. Durations are in milliseconds."""

from dataclasses import dataclass
from pathlib import Path

from clickstream_core.service import ServiceSettings
from clickstream_core.settings import duration, setting, setting_of, text
from clickstream_kafka.settings import DistinctTopics, KafkaSettings, TopicSettings, topic_name
from clickstream_scenarios.store_settings import StoreSettings

APP = "clickstream-scenarios"


def folder(value: str) -> Path:
    """A folder that exists."""
    path = Path(value)
    if not path.is_dir():
        raise ValueError("expected a folder that exists")
    return path


@dataclass(frozen=True)
class ScenarioTopics(DistinctTopics):
    """The topics of the stream."""

    access_logs_topic: str = setting(
        "ACCESS_LOGS_TOPIC",
        parse=topic_name,
        default="clickstream-access-logs",
        help="topic of the requests in NGINX's access.log",
    )
    events_topic: str = setting_of(TopicSettings, "events_topic")
    scenario_results_topic: str = setting(
        "SCENARIO_RESULTS_TOPIC",
        parse=topic_name,
        default="clickstream-scenario-results",
        help="topic of the scenarios' results",
    )
    dead_letter_topic: str = setting_of(TopicSettings, "dead_letter_topic")


@dataclass(frozen=True)
class ScenariosSettings:
    """Everything that a user can set."""

    kafka: KafkaSettings
    topics: ScenarioTopics
    store: StoreSettings
    service: ServiceSettings
    group_id: str = setting("GROUP_ID", parse=text, default=APP, help="consumer group of the access logs' readers")
    commit_interval: int = setting(
        "COMMIT_INTERVAL",
        parse=duration(minimum="100ms", maximum="1m"),
        default="1s",
        help="how long results wait for their commit",
    )
    scenarios_folder: Path | None = setting(
        "SCENARIOS_FOLDER",
        parse=folder,
        help="folder with scenarios (*.json) and members (members.csv), read again when a file changes; instead of a"
        " database",
    )

    @property
    def events_group_id(self) -> str:
        """The consumer group of the events' readers."""
        return f"{self.group_id}-events"

    def group_of(self, topic: str) -> str:
        """The consumer group of an input topic; with a partition's number, its transactional id."""
        return self.events_group_id if topic == self.topics.events_topic else self.group_id
