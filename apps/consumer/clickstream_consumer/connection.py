"""One connection to Kafka: a member of the consumer group that reads the metrics topic, with read_committed.

Reading begins at the committed offset. A partition without one (the group's first start) begins at the first record
that was written since this process started, so a window that ends while the group is still forming, or on a topic that
is created later, is not lost; if the broker can't find that record, all older ones are read and skipped. With
`from_beginning` each partition begins at its oldest record when it is first assigned. An offset that the log no longer
holds (retention, a recreated topic) continues at the oldest record. Offsets are committed every second, before a
rebalance and at the end, never beyond what `poll` had returned before its latest call: a crash repeats a result.

kafka-python 3.0.12 can't be asked whether a broker is connected, so the client object underneath is kept and asked. Its
consumer ignores `allow_auto_create_topics` and would create a missing topic. When connecting fails it raises a mere
timeout, so the cause is taken from its log (`library_errors`). A broker that closes a connection without an answer may
have refused a password, so the message names this possible cause.
"""

import heapq
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition, errors
from kafka.consumer.fetcher import ConsumerRecord
from kafka.net.compat import KafkaNetClient
from kafka.structs import MemberState

from clickstream_consumer.settings import ConsumerSettings
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable
from clickstream_kafka.library_errors import REFUSALS, LibraryErrors

_log = logging.getLogger(__name__)
_CONNECT_MS = 3_000
_LOOKUP_MS = 2_000
_CLOSE_MS = 2_000
_REQUEST_TIMEOUT_MS = 7_000
"""A broker that hangs is asked about three times: for records, for group membership, and for its successor."""


class Connection:
    """A consumer that has connected once; after that it survives everything except a refusal."""

    _client: Any = None

    def __init__(self, settings: ConsumerSettings, started_at: int, library_errors: LibraryErrors) -> None:
        """Connect, within a few seconds. `started_at` is the process's start in milliseconds since the epoch.

        Raises KafkaUnavailable when no broker answers, KafkaRefused when one refuses, and SettingsError while
        certificate files are incomplete.
        """
        self._topic = settings.metrics_topic
        self._not_before: dict[int, int] = {}
        self._group = settings.group_id
        self._started_at = started_at
        self._sasl = settings.kafka.uses_sasl
        self._library_errors = library_errors
        library_errors.clear()
        try:
            self._consumer = KafkaConsumer(
                **settings.kafka.kafka_python_config(),
                **self._membership(settings),
                client_id="clickstream-consumer",
                isolation_level="read_committed",
                auto_offset_reset="none",
                bootstrap_timeout_ms=_CONNECT_MS,
                metadata_max_age_ms=10_000,
                metrics_enabled=False,
                reconnect_backoff_max_ms=2_000,
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
                kafka_client=self._new_client,
            )
        except errors.KafkaError as error:
            if self._client is not None:
                self._client.close()
            raise self._as_our_error(error) from error
        self._start(settings)

    def poll(self, timeout_ms: int) -> list[ConsumerRecord]:
        """Return the next records, merged by timestamp, each partition in order; none after `timeout_ms`.

        Raises KafkaUnavailable and KafkaRefused.
        """
        try:
            batches = self._consumer.poll(timeout_ms)
        except errors.NoOffsetForPartitionError as error:
            self._seek_to_start(error.args[0])
            return []
        except errors.OffsetOutOfRangeError as error:
            self._seek_to_oldest(error.args[0])
            return []
        except errors.LogTruncationError as error:
            self._step_back(error.divergent_offsets)
            return []
        except errors.KafkaError as error:
            raise self._as_our_error(error) from error
        if batches:
            self._library_errors.clear()
        records = heapq.merge(*batches.values(), key=lambda record: record.timestamp)
        return [record for record in records if record.timestamp >= self._not_before.get(record.partition, 0)]

    def is_connected(self) -> bool:
        return any(self._client.connected(node) for node in self._nodes())

    def last_failure(self) -> str:
        """Return the cause of kafka-python's last failure, in words."""
        return "not connected" if self._library_errors.last is None else self._described(self._library_errors.last)

    def is_member(self) -> bool:
        """Whether the group has accepted this consumer and assigned its partitions, which may be none."""
        return bool(self._consumer.group_metadata().state == MemberState.STABLE)

    def has_topic(self) -> bool:
        """Whether the metrics topic is in the cluster's metadata."""
        return self._client.cluster.partitions_for_topic(self._topic) is not None

    def may_read_topic(self) -> bool:
        """Whether the broker shows the topic to this user."""
        return self._topic not in self._client.cluster.unauthorized_topics

    def close(self) -> None:
        """Commit and leave the group if Kafka answers, within 5 seconds."""
        try:
            self._consumer.close(autocommit=self.is_connected(), timeout_ms=_CLOSE_MS)
        except errors.KafkaError as error:
            _log.warning("Could not leave the consumer group %s: %s", self._group, error)
        self._client.close()

    def _membership(self, settings: ConsumerSettings) -> dict[str, Any]:
        return {
            "group_id": settings.group_id,
            "auto_commit_interval_ms": 1_000,
            "max_poll_interval_ms": 30_000,
            "session_timeout_ms": 15_000,
        }

    def _start(self, settings: ConsumerSettings) -> None:
        self._consumer.subscribe([self._topic], listener=_Rewind(self._consumer) if settings.from_beginning else None)

    def _nodes(self) -> list[Any]:
        cluster = self._client.cluster
        return [*(broker.node_id for broker in cluster.brokers()), cluster.get_coordinator(self._group)]

    def _new_client(self, **config: Any) -> KafkaNetClient:
        self._client = KafkaNetClient(**config)
        self._client.cluster.config |= {"allow_auto_create_topics": False, "retry_backoff_ms": 250}
        return self._client

    def _as_our_error(self, error: errors.KafkaError) -> KafkaUnavailable | KafkaRefused:
        logged = self._library_errors.last if isinstance(error, errors.KafkaTimeoutError) else None
        cause = logged or error
        if isinstance(cause, REFUSALS):
            return KafkaRefused(self._with_advice(cause))
        return KafkaUnavailable(self._described(cause))

    def _with_advice(self, cause: BaseException) -> str:
        rights = "the user lacks a permission: grant it"
        if isinstance(cause, errors.SaslAuthenticationFailedError):
            return f"{cause}; check KAFKA_SASL_USERNAME and its password"
        if isinstance(cause, errors.GroupAuthorizationFailedError):
            return f"{cause}; {rights} Read on group {self._group}"
        if isinstance(cause, errors.TopicAuthorizationFailedError):
            return f"{cause}; {rights} Read and Describe on topic {self._topic}"
        return str(cause)

    def _described(self, cause: BaseException) -> str:
        if isinstance(cause, errors.CorruptRecordError):
            return f"a broker can't read its own log of {self._topic}: {cause}"
        hint = "; the user name or password may be wrong" if self._sasl and "disconnected" in str(cause) else ""
        return f"{cause}{hint}"

    def _seek_to_start(self, partitions: Collection[TopicPartition]) -> None:
        try:
            # The ends first: a record written between the two requests is then found by the second.
            ends = self._consumer.end_offsets(list(partitions), timeout_ms=_LOOKUP_MS)
        except errors.KafkaError as error:
            raise self._as_our_error(error) from error
        times = dict.fromkeys(partitions, self._started_at)
        try:
            firsts = self._consumer.offsets_for_times(times, timeout_ms=_LOOKUP_MS)
        except errors.KafkaError as error:
            if not self.is_connected():
                raise self._as_our_error(error) from error
            # The broker unpacks the batch that contains a time, and fails if it can't be read.
            self._not_before |= {partition.partition: self._started_at for partition in partitions}
            self._consumer.seek_to_beginning(*partitions)
            return
        for partition in partitions:
            first = firsts[partition]
            self._consumer.seek(partition, ends[partition] if first is None else first.offset)

    def _seek_to_oldest(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            _log.warning(
                "Partition %d of %s no longer holds the committed offset; continuing at its oldest record",
                partition.partition,
                self._topic,
            )
            self._consumer.seek_to_beginning(partition)

    def _step_back(self, divergent: Mapping[TopicPartition, Any]) -> None:
        for partition, offset in divergent.items():
            if offset is None:
                self._seek_to_oldest([partition])
            else:
                _log.warning(
                    "Partition %d of %s lost records that had been read already; continuing at offset %d",
                    partition.partition,
                    self._topic,
                    offset.offset,
                )
                self._consumer.seek(partition, offset.offset)


class _Rewind(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Moves each partition to its oldest record when it is first assigned to this process."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._rewound: set[TopicPartition] = set()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for partition in set(assigned) - self._rewound:
            self._consumer.seek_to_beginning(partition)
            self._rewound.add(partition)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass
