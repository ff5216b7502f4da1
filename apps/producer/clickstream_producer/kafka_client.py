"""The Kafka client: connecting as long as it takes, with the cause while it fails.

kafka-python's constructor raises a timeout without a cause, so that is taken from its log (`library_errors`).

The client's configuration guarantees that an accepted event is delivered once. With idempotence the broker recognises
what a retry sends again, acks=all waits for the replicas, retries are unlimited and, with an infinite delivery timeout,
no batch expires while Kafka is away. Record timestamps are the time of sending, kafka-python's default: a timestamp
from an event could be in the future, for which the broker refuses the whole batch.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaProducer, errors
from kafka.net.compat import KafkaNetClient
from kafka.record import util

from clickstream_core.errors import SettingsError
from clickstream_kafka.errors import KafkaRefused
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_producer.settings import ProducerSettings

_RETRY_PAUSE_S = 1.0
_PRODUCER_ID_TIMEOUT_S = 5.0

_FINAL_REFUSALS = (
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.IncompatibleBrokerVersion,
)

_CLIENT_CONFIG: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "retries": float("inf"),
    "delivery_timeout_ms": float("inf"),
    "compression_type": "lz4",
    "linger_ms": 50,
    "batch_size": 64 * 1024,
    "allow_auto_create_topics": False,
    "bootstrap_timeout_ms": 2_000,
    "max_block_ms": 1_000,
    "reconnect_backoff_max_ms": 1_000,
    "metadata_max_age_ms": 30_000,
    "metrics_enabled": False,
}


class Producer(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """A KafkaProducer with access to some of its internal state."""

    def has_producer_id(self) -> bool:
        """Whether the broker has assigned this client its id as an idempotent producer."""
        return bool(self._transaction_manager.has_producer_id())

    def knows_topic(self, topic: str) -> bool:
        """Whether the last metadata of the cluster has the topic."""
        return self._metadata.partitions_for_topic(topic) is not None

    def knows_cluster(self) -> bool:
        return bool(self._metadata.brokers())

    def abandon(self) -> None:
        """Close at once, whatever is in flight; `close` would wait for it, and again when the interpreter exits."""
        self._unregister_cleanup()
        self._closed = True
        self._sender.force_close()


class _Network:
    """The sockets of a KafkaProducer, which its constructor leaves open when it fails."""

    def __init__(self) -> None:
        self._client: KafkaNetClient | None = None

    def open(self, **config: Any) -> KafkaNetClient:
        self._client = KafkaNetClient(**config)
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def assert_fast_checksums() -> None:
    """Raise SettingsError if kafka-python would compute checksums in Python, 100 times more slowly than needed."""
    if util.crc32c_c is None:
        raise SettingsError(
            "the package crc32c is not usable in this Python, and without it kafka-python cannot keep up:"
            " install it (pip install crc32c)"
        )


def connect(
    settings: ProducerSettings,
    library_errors: LibraryErrors,
    *,
    waiting: Callable[[str], None],
    stopped: Callable[[float], bool],
) -> Producer | None:
    """Return a client that is connected and may write, or None if `stopped` returned True before.

    `waiting` is called with the obstacle before each further attempt; `stopped` waits up to the given seconds and
    returns whether to stop trying. Raises KafkaRefused for what further attempts can't change: missing permissions, and
    refused credentials unless the password is read from a file, which may be corrected.
    """
    while not stopped(0):
        library_errors.clear()
        network = _Network()
        producer = None
        try:
            producer = Producer(**settings.kafka.kafka_python_config(), **_CLIENT_CONFIG, kafka_client=network.open)
            obstacle = _obstacle(producer, settings.topic)
        except SettingsError as error:
            obstacle = str(error)
        except errors.TopicAuthorizationFailedError as error:
            raise KafkaRefused(explain(error, settings.topic)) from error
        except errors.KafkaError as error:
            cause = library_errors.last or error
            if isinstance(cause, _FINAL_REFUSALS):
                obstacle = explain(cause, settings.topic)
                if settings.kafka.sasl_password_file is None:
                    raise KafkaRefused(obstacle) from error
            else:
                obstacle = f"Kafka is away: {describe(cause)}"
        if producer is None:
            network.close()
        elif obstacle:
            producer.abandon()
        else:
            return producer
        # kafka-python leaves the socket of a refused connection to the garbage collector.
        gc.collect()
        waiting(obstacle)
        stopped(_RETRY_PAUSE_S)
    return None


def explain(error: BaseException, topic: str) -> str:
    name = type(error).__name__
    if isinstance(error, _FINAL_REFUSALS):
        return f"Kafka refuses the connection: {describe(error)}; check the KAFKA_SASL_* settings and the user in Kafka"
    advice = _ADVICE.get(name)
    if advice is None:
        return f"Kafka refuses the events for topic {topic}: {error}"
    return f"Kafka refuses the events: {advice.format(topic=topic)} ({describe(error)})"


_ADVICE = {
    "TopicAuthorizationFailedError": "this user may not write to topic {topic}; grant it Write and Describe",
    "ClusterAuthorizationFailedError": "this user may not write idempotently to topic {topic}; grant it Write",
    "MessageSizeTooLargeError": "one is larger than topic {topic} allows; raise the topic's max.message.bytes",
    "RecordListTooLargeError": "one is larger than topic {topic} allows; raise the topic's max.message.bytes",
    "InvalidTimestampError": "the clocks of this machine and of the broker of topic {topic} differ; synchronize them",
    "InvalidTopicError": "the broker does not take records for a topic called {topic}; choose another one",
}


def _obstacle(producer: Producer, topic: str) -> str:
    try:
        producer.partitions_for(topic)
    except errors.KafkaTimeoutError:
        if producer.knows_cluster():
            return f"topic {topic} does not exist; create it, or name another one"
        raise
    # The producer id comes in answer to a separate request. kafka-python treats a timeout of that request as a fatal
    # error, so no event is accepted before the id is there.
    deadline = time.monotonic() + _PRODUCER_ID_TIMEOUT_S
    while not producer.has_producer_id():
        if time.monotonic() > deadline:
            return "Kafka is away: it assigned no producer id"
        time.sleep(0.005)
    return ""


def describe(error: BaseException) -> str:
    """Return an error's text without its name."""
    if isinstance(error, errors.RequestTimedOutError):
        return "no answer to a request"
    return str(error).removeprefix(f"{type(error).__name__}: ")
