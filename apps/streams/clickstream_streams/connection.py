"""The way to a running Kafka: waiting for the brokers and the topics, and what the topics must be like."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
)

from clickstream_core.durations import format_duration
from clickstream_core.service import Health
from clickstream_streams.errors import FatalError
from clickstream_streams.offsets import partition_count, topic_retention
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.transactions import start_client

_PAUSE = 1.0
_SAY_AGAIN = 30.0
_LONGEST_ANSWER = 5_000
_LONGEST_START = 20.0
_REFUSED = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

_log = logging.getLogger(__name__)


class Patience:
    """Says why something is waited for: at once, when the reason changes, and every 30 s."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._said = ""
        self._said_at = 0.0

    async def wait(self, why: str) -> None:
        """Log the reason when it is news, and pause."""
        now = asyncio.get_running_loop().time()
        if why != self._said or now - self._said_at >= _SAY_AGAIN:
            self._said, self._said_at = why, now
            _log.warning(why)
        self._health.set_ready(False, why)
        self._health.beat()
        await asyncio.sleep(_PAUSE)


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
            why = await _refusal(kafka) or f"Kafka is away: {str(error) or 'no answer'}"
            await patience.wait(f"{why}; trying again until it answers")
        else:
            return admin


async def _refusal(kafka: Mapping[str, Any]) -> str | None:
    """Ask the bootstrap servers one by one: an aiokafka client says the same of all that keeps it from connecting.

    Returns what is wrong with the password or with TLS, or None when it is neither.
    """
    options = {name: value for name, value in kafka.items() if name not in ("bootstrap_servers", "client_id")}
    for server in kafka["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), request_timeout_ms=_LONGEST_ANSWER, **options)
        except _REFUSED as error:
            return f"Kafka refuses the credentials ({error}): check KAFKA_SASL_USERNAME and its password"
        except ssl.SSLError as error:
            return f"TLS with {server} does not come about ({error}): check KAFKA_SSL_CAFILE and the address"
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
    return None


async def wait_for_topics(admin: AIOKafkaAdminClient, settings: StreamsSettings, health: Health) -> None:
    """Wait until the four topics exist. Raises FatalError for a partials topic with more than one partition."""
    topics = settings.topics
    patience = Patience(health)
    for topic in (topics.events_topic, topics.metrics_topic, topics.partials_topic, topics.dead_letter_topic):
        while True:
            try:
                count = await partition_count(admin, topic)
            except UnknownTopicOrPartitionError:
                await patience.wait(f"topic {topic} does not exist; waiting for it to be created")
            except TopicAuthorizationFailedError:
                await patience.wait(f"not authorized to describe topic {topic}; waiting for the ACL")
            except (KafkaError, OSError, TimeoutError) as error:
                await patience.wait(f"Kafka is away: {error!r}; trying again until it answers")
            else:
                break
        if topic == topics.partials_topic and count != 1:
            raise FatalError(f"PARTIALS_TOPIC={topic} has {count} partitions; it must have exactly one")


async def check_retention(admin: AIOKafkaAdminClient, settings: StreamsSettings) -> None:
    """Raise FatalError when the events topic forgets events that a restart must replay."""
    retention = await topic_retention(admin, settings.topics.events_topic)
    needed = settings.window_size + settings.allowed_lateness
    if retention is not None and retention < needed:
        raise FatalError(
            f"{settings.topics.events_topic} keeps events for {format_duration(retention)}, a restart must replay "
            f"{format_duration(needed)} (WINDOW_SIZE + ALLOWED_LATENESS): raise retention.ms or lower these"
        )
