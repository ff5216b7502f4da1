"""The consumer's own settings; Kafka, topics and service settings are the core's."""

from dataclasses import dataclass

from clickstream_core.addresses import Network, networks
from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.service import ServiceSettings
from clickstream_core.settings import choice, number_or_off, setting, setting_of, switch, text
from clickstream_kafka.settings import KafkaSettings, TopicSettings


@dataclass(frozen=True)
class ConsumerSettings:
    kafka: KafkaSettings
    service: ServiceSettings
    metrics_topic: str = setting_of(TopicSettings, "metrics_topic")
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
    api_limit: float = setting(
        "API_LIMIT",
        parse=number_or_off("requests per second", 0.1, 1_000_000),
        default="50",
        help="requests per second from one address for the page's data; off removes this limit and that of open pages",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        parse=networks,
        default="none",
        help="networks of proxies in front of the page whose X-Forwarded-For is trusted: 10.0.0.0/8,... or private, "
        "for loopback, link-local and those of RFC 1918, 4193 and 6598; or none",
    )
    from_beginning: bool = switch(
        "FROM_BEGINNING",
        help="show every result in the topic, regardless of committed offsets",
    )
    plain: bool = switch("DASHBOARD_PLAIN", help="print one block after another even in a terminal", flag="--plain")
    receipts: bool = switch(
        "DASHBOARD_RECEIPTS",
        help="show below each result which records it was counted from",
        flag="--receipts",
    )
