"""Connecting to Kafka: waiting for the brokers and the topics."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient

from clickstream_core.patience import Patience
from clickstream_core.service import Health
from clickstream_kafka.diagnosis import why_refused
from clickstream_kafka.offsets import partition_count

_START_TIMEOUT_S = 20.0  # several addresses that swallow packets take 40 s each


async def start_client(client: Any) -> None:
    """Start an aiokafka client; raises KafkaError.

    A broker that has just come back may for a moment name no brokers at all; aiokafka meets that with an assertion.
    """
    try:
        await client.start()
    except AssertionError as error:
        raise errors.KafkaConnectionError(f"Kafka names no brokers yet ({error})") from error


async def connect(kafka: Mapping[str, Any], health: Health) -> AIOKafkaAdminClient:
    """Return a started admin client; wait as long as Kafka is away or refuses this user."""
    patience = Patience(health)
    while True:
        admin = AIOKafkaAdminClient(**kafka, metadata_max_age_ms=5000)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await start_client(admin)
        except (errors.KafkaError, OSError, TimeoutError) as error:
            await admin.close()
            why = await why_refused(kafka) or f"Kafka is away: {str(error) or 'no answer'}"
            await patience.wait(f"{why}; trying again until it answers")
        else:
            return admin


async def wait_for_topics(admin: AIOKafkaAdminClient, topics: Iterable[str], health: Health) -> dict[str, int]:
    """Wait until the topics exist; return how many partitions each of them has."""
    patience = Patience(health)
    counts: dict[str, int] = {}
    for topic in topics:
        while topic not in counts:
            try:
                counts[topic] = await partition_count(admin, topic)
            except errors.UnknownTopicOrPartitionError:
                await patience.wait(f"topic {topic} does not exist; waiting for it to be created")
            except errors.TopicAuthorizationFailedError:
                await patience.wait(f"not authorized to describe topic {topic}; waiting for the ACL")
            except (errors.KafkaError, OSError, TimeoutError) as error:
                await patience.wait(f"Kafka is away: {error!r}; trying again until it answers")
    return counts
