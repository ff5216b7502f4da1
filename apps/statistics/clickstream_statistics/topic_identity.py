"""Which topic it is: one that was deleted and made again has the same name, but another id.

Kafka's own client in the driver's JVM is asked, because aiokafka knows no ids.
"""

from collections.abc import Mapping
from typing import Any

_NONE = "AAAAAAAAAAAAAAAAAAAAAA"
"""Of a Kafka before 2.8."""


def topic_id(session: Any, client: Mapping[str, str], topic: str) -> str:
    """Return the topic's id, "" if it has none. `client` is the configuration of Kafka's Java client."""
    jvm = session._jvm
    admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(dict(client))
    try:
        described = admin.describeTopics([topic]).allTopicNames().get().get(topic)
        found = str(described.topicId().toString())
        return "" if found == _NONE else found
    finally:
        admin.close(jvm.java.time.Duration.ofSeconds(1))
