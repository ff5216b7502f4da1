"""The page's own connection to Kafka: it reads all partitions of the metrics topic, a week back, and in no group.

The consumer group shares the topic's partitions among its replicas, so what the group gives one replica is only a part
of the results; the page of each replica shows them all. Nothing is committed and no offset of the group is touched.
Partitions that are added later are found when the cluster's metadata is next asked for, 10 seconds later at most.
"""

import time
from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from clickstream_consumer.connection import Connection
from clickstream_consumer.settings import ConsumerSettings

_LOOKUP_MS = 2_000


class WholeTopic(Connection):
    """Reads the topic from `started_at` (milliseconds since the epoch); "a member" once it has caught up."""

    _ends: dict[TopicPartition, int]
    _caught_up = False

    def poll(self, timeout_ms: int) -> list[ConsumerRecord]:
        """Return the next records of all partitions, merged by timestamp. Raises KafkaUnavailable and KafkaRefused."""
        self._take_partitions()
        if not self._consumer.assignment():
            # Without partitions the library would return at once, and would not look for the topic.
            try:
                self._client.poll(timeout_ms)
            except RuntimeError:
                time.sleep(timeout_ms / 1000)  # the library's own thread polls already, and finds the topic
            return []
        records = super().poll(timeout_ms)
        if not self._caught_up:
            self._caught_up = self._is_at_the_end()
        return records

    def is_member(self) -> bool:
        """Whether what the topic held when reading began has been read."""
        return self._caught_up or not self.has_topic()

    def _membership(self, settings: ConsumerSettings) -> dict[str, Any]:
        return {"group_id": None, "enable_auto_commit": False}

    def _enter(self, settings: ConsumerSettings) -> None:
        self._ends = {}
        self._client.cluster.add_topic(self._topic)

    def _nodes(self) -> list[Any]:
        return [broker.node_id for broker in self._client.cluster.brokers()]

    def _take_partitions(self) -> None:
        # The library keeps its position in partitions it has already; for new ones `poll` asks where to begin.
        known = self._client.cluster.partitions_for_topic(self._topic) or set()
        held = self._consumer.assignment() or set()
        if not {TopicPartition(self._topic, each) for each in known} <= held:
            self._consumer.assign([TopicPartition(self._topic, each) for each in sorted(known)])

    def _is_at_the_end(self) -> bool:
        try:
            if not self._ends:
                self._ends = self._consumer.end_offsets(list(self._consumer.assignment()), timeout_ms=_LOOKUP_MS)
            return all(self._consumer.position(each, timeout_ms=_LOOKUP_MS) >= end for each, end in self._ends.items())
        except KafkaError as error:
            raise self._explained(error) from error
