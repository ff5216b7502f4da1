"""The way to a running Kafka: waiting for the brokers and the topics."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from clickstream_core.patience import Patience
from clickstream_core.service import Health
from clickstream_kafka.offsets import partition_count
from clickstream_kafka.patches.aiokafka_connections import why_refused
from clickstream_kafka.transactions import start_client
from clickstream_streams.errors import FatalError
from clickstream_streams.settings import StreamsSettings

_LONGEST_START = 20.0


async def connect(kafka: Mapping[str, Any], health: Health) -> AIOKafkaAdminClient:
    """Return a started admin client, however long Kafka is away or refuses this user."""
    patience = Patience(health)
    while True:
        admin = AIOKafkaAdminClient(**kafka, metadata_max_age_ms=5000)
        try:
            async with asyncio.timeout(_LONGEST_START):  # several addresses that swallow packets take 40 s each
                await start_client(admin)
        except (KafkaError, OSError, TimeoutError) as error:
            await admin.close()
            why = await why_refused(kafka) or f"Kafka is away: {str(error) or 'no answer'}"
            await patience.wait(f"{why}; trying again until it answers")
        else:
            return admin


async def wait_for_topics(admin: AIOKafkaAdminClient, settings: StreamsSettings, health: Health) -> int:
    """Wait until the four topics exist; return how many partitions the events topic has.

    Raises FatalError for a partials topic with more than one partition.
    """
    topics = settings.topics
    patience = Patience(health)
    counts: dict[str, int] = {}
    for topic in (topics.events_topic, topics.metrics_topic, topics.partials_topic, topics.dead_letter_topic):
        while True:
            try:
                counts[topic] = await partition_count(admin, topic)
            except UnknownTopicOrPartitionError:
                await patience.wait(f"topic {topic} does not exist; waiting for it to be created")
            except TopicAuthorizationFailedError:
                await patience.wait(f"not authorized to describe topic {topic}; waiting for the ACL")
            except (KafkaError, OSError, TimeoutError) as error:
                await patience.wait(f"Kafka is away: {error!r}; trying again until it answers")
            else:
                break
        if topic == topics.partials_topic and counts[topic] != 1:
            raise FatalError(f"PARTIALS_TOPIC={topic} has {counts[topic]} partitions; it must have exactly one")
    return counts[topics.events_topic]
