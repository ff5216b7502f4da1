"""Topics of a test, their records, and the progress of a group."""

import time
import uuid
from dataclasses import dataclass, replace

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from clickstream_local.topics import clickstream_topics, create_missing

_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class PipelineTopics:
    """The four topics and the group of one test, under names that no other test uses."""

    bootstrap_servers: str
    events: str
    metrics: str
    partials: str
    dead_letters: str
    group_id: str

    @property
    def environ(self) -> dict[str, str]:
        """The settings of an app that uses them; GROUP_ID is the processor's group, whose results a consumer shows."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "EVENTS_TOPIC": self.events,
            "METRICS_TOPIC": self.metrics,
            "PARTIALS_TOPIC": self.partials,
            "DEAD_LETTER_TOPIC": self.dead_letters,
            "GROUP_ID": self.group_id,
            "PROCESSOR_GROUP": self.group_id,
        }

    @property
    def group_header(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of a record that the processor of this group wrote."""
        return (("group", self.group_id.encode()),)

    def of_group(self, group_id: str) -> "PipelineTopics":
        """The same topics, for another processor that works on them."""
        return replace(self, group_id=group_id)

    def read(self, topic: str, isolation: str) -> "list[Message]":
        """All records of one of the topics up to its current end."""
        return read_all(self.bootstrap_servers, topic, isolation)


@dataclass(frozen=True)
class Message:
    """A record that was read. `timestamp` is the record timestamp in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str:
        """The header's text. Raises AssertionError unless there is exactly one of that name."""
        values = [value for each, value in self.headers if each == name]
        assert len(values) == 1, f"{self.topic}-{self.partition}@{self.offset} has {len(values)} headers {name!r}"
        return values[0].decode()


@dataclass(frozen=True)
class ToSend:
    """A record to write. Without a partition the key decides; the timestamp is now by default."""

    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    timestamp: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def create_topics(bootstrap_servers: str, partitions: int = 6, **configs: str) -> PipelineTopics:
    """Create four topics with new names, configured as in production with three exceptions.

    Retention is unlimited: with the default the records of a test with old timestamps are deleted before they are read.
    Timestamps may be of any age, as on topics that others made.
    The events topic has `partitions` partitions and the topic settings `configs` (underscores for dots:
    max_message_bytes="2000000").
    """
    prefix = f"t{uuid.uuid4().hex[:10]}"
    names = (f"{prefix}-events", f"{prefix}-metrics", f"{prefix}-partials", f"{prefix}-dead-letters")
    changes = {name.replace("_", "."): value for name, value in configs.items()}
    topics = []
    for topic in clickstream_topics(*names)[:4]:
        kept = {**topic.configs, "retention.ms": "-1"}
        kept.pop("message.timestamp.before.max.ms", None)
        if topic.name == names[0]:
            topics.append(replace(topic, partitions=partitions, configs={**kept, **changes}))
        else:
            topics.append(replace(topic, configs=kept))
    create_missing({"bootstrap_servers": bootstrap_servers.split(",")}, topics)
    return PipelineTopics(bootstrap_servers, *names, group_id=f"{prefix}-group")


def send(bootstrap_servers: str, topic: str, records: list[ToSend]) -> list[tuple[int, int]]:
    """Write the records in order and return (partition, offset) of each. Raises if one was refused."""
    producer = KafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", linger_ms=5, max_request_size=8 << 20)
    try:
        futures = [
            producer.send(
                topic,
                value=each.value,
                key=each.key,
                partition=each.partition,
                timestamp_ms=each.timestamp,
                headers=list(each.headers),
            )
            for each in records
        ]
        producer.flush(timeout=_DEADLINE_SECONDS)
        written = [future.get(timeout=_DEADLINE_SECONDS) for future in futures]
    finally:
        producer.close(timeout=5)
    return [(each.partition, each.offset) for each in written]


def read_all(bootstrap_servers: str, topic: str, isolation: str = "read_committed") -> list[Message]:
    """All records of the topic up to its current end (for read_committed: the last stable offset), by partition."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        isolation_level=isolation,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 << 20,
    )
    try:
        partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic) or ())]
        assert partitions, f"topic {topic} does not exist"
        return _read(consumer, partitions)
    finally:
        consumer.close()


def _read(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> list[Message]:
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    messages: list[Message] = []
    deadline = time.monotonic() + _DEADLINE_SECONDS
    # The position also passes what is not returned: aborted records and transaction markers.
    while unread := [each for each in partitions if consumer.position(each) < ends[each]]:
        assert time.monotonic() < deadline, f"not read to the end within {_DEADLINE_SECONDS:g} s: {unread} of {ends}"
        for polled, records in consumer.poll(timeout_ms=100).items():
            messages.extend(
                Message(
                    each.topic, each.partition, each.offset, each.timestamp, each.key, each.value, tuple(each.headers)
                )
                for each in records
                if each.offset < ends[polled]
            )
    return sorted(messages, key=lambda each: (each.partition, each.offset))


def committed(bootstrap_servers: str, group_id: str, topic: str) -> dict[int, int]:
    """The group's committed offset of each partition that has one."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with KafkaAdminClient(bootstrap_servers=bootstrap_servers) as admin:
        while True:
            try:
                offsets = admin.list_group_offsets(group_id)[group_id]
            except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
                # A new broker creates __consumer_offsets when the first group is requested, and loads it
                # before it answers.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.1)
            else:
                break
    return {
        each.partition: commit.offset for each, commit in offsets.items() if each.topic == topic and commit.offset >= 0
    }


def end_offsets(bootstrap_servers: str, topic: str) -> dict[int, int]:
    """The offset after the last record of each partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap_servers)
    try:
        partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
        return {each.partition: offset for each, offset in consumer.end_offsets(partitions).items()}
    finally:
        consumer.close()


def lag(bootstrap_servers: str, group_id: str, topic: str) -> dict[int, int | None]:
    """Per partition how many offsets the group is behind; None if it has committed nothing."""
    commits = committed(bootstrap_servers, group_id, topic)
    ends = end_offsets(bootstrap_servers, topic)
    return {each: end - commits[each] if each in commits else None for each, end in sorted(ends.items())}
