"""The consumer's own settings; Kafka, topics and service settings are the core's."""

from dataclasses import dataclass

from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.kafka import KafkaSettings, TopicSettings
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import boolean, choice, setting, text


@dataclass(frozen=True)
class ConsumerSettings:
    """Everything that `clickstream-consumer` can be told."""

    kafka: KafkaSettings
    topics: TopicSettings
    service: ServiceSettings
    group_id: str = setting(
        "GROUP_ID", parse=text, default="metrics-consumer-group", help="consumer group whose committed offsets count"
    )
    processor_group: str = setting(
        "PROCESSOR_GROUP", parse=text, default=DEFAULT_GROUP, help="GROUP_ID of the processor whose results are shown"
    )
    language: str = setting(
        "DASHBOARD_LANGUAGE",
        parse=choice("en", "ko"),
        default="en",
        help="language of the dashboard: en or ko",
        flag="--language",
    )
    from_beginning: bool = setting(
        "FROM_BEGINNING",
        parse=boolean,
        default="false",
        switch=True,
        help="show every result that the topic still holds, whatever was committed",
    )
    plain: bool = setting(
        "DASHBOARD_PLAIN",
        parse=boolean,
        default="false",
        switch=True,
        help="print one block after another, in a terminal too",
        flag="--plain",
    )
