"""The page's own connection to Kafka: it reads all partitions of the metrics topic, a week back, outside any group.

A consumer group divides the partitions among its replicas, but the page of each replica shows all results. Nothing is
committed, and the group's offsets are not touched. Partitions that are added later are found with the next refresh of
the cluster's metadata, within 10 seconds.
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
        self._assign_partitions()
        if not self._consumer.assignment():
            # Without partitions the library returns at once and does not look for the topic.
            try:
                self._client.poll(timeout_ms)
            except RuntimeError:
                time.sleep(timeout_ms / 1000)  # the library's own thread is polling, and finds the topic
            return []
        records = super().poll(timeout_ms)
        if not self._caught_up:
            self._caught_up = self._is_at_end()
        return records

    def is_member(self) -> bool:
        """Whether everything that was in the topic at the start has been read."""
        return self._caught_up or not self.has_topic()

    def _membership(self, settings: ConsumerSettings) -> dict[str, Any]:
        return {"group_id": None, "enable_auto_commit": False}

    def _start(self, settings: ConsumerSettings) -> None:
        self._ends = {}
        self._client.cluster.add_topic(self._topic)

    def _nodes(self) -> list[Any]:
        return [broker.node_id for broker in self._client.cluster.brokers()]

    def _assign_partitions(self) -> None:
        # The library keeps its position in the partitions that it has; `poll` finds the start of new ones.
        known = self._client.cluster.partitions_for_topic(self._topic) or set()
        held = self._consumer.assignment() or set()
        if not {TopicPartition(self._topic, each) for each in known} <= held:
            self._consumer.assign([TopicPartition(self._topic, each) for each in sorted(known)])

    def _is_at_end(self) -> bool:
        try:
            if not self._ends:
                self._ends = self._consumer.end_offsets(list(self._consumer.assignment()), timeout_ms=_LOOKUP_MS)
            return all(self._consumer.position(each, timeout_ms=_LOOKUP_MS) >= end for each, end in self._ends.items())
        except KafkaError as error:
            raise self._as_our_error(error) from error
