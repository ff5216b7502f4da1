"""The last requests of the topics, read when the admin page asks for them, in no consumer group."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from clickstream_kafka.connection import start_client
from clickstream_kafka.offsets import partition_count
from clickstream_scenarios.errors import InvalidRequest
from clickstream_scenarios.requests import Request
from clickstream_scenarios.trial_api import KafkaAway

_KEPT_S = 10.0
_ANSWER_S = 10.0
_POLL_MS = 500

_Read = Callable[[bytes | None, int], object]


class RecentRequests:
    """The last records of each topic, as requests; `topics` says how a topic's record is read."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        topics: Mapping[str, _Read],
        records: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._records = records
        self._clock = clock
        self._kept: list[Request] = []
        self._kept_until = -math.inf
        self._lock = asyncio.Lock()

    async def last(self) -> Sequence[Request]:
        """Return them in the order of their time; read again after some seconds. Raises KafkaAway."""
        async with self._lock:
            if self._clock() >= self._kept_until:
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        self._kept = await self._read()
                except TimeoutError:
                    raise KafkaAway(f"Kafka did not answer within {_ANSWER_S:g} s") from None
                except (KafkaError, OSError) as error:
                    raise KafkaAway(f"Kafka is away: {error}") from error
                self._kept_until = self._clock() + _KEPT_S
            return self._kept

    async def _read(self) -> list[Request]:
        consumer = AIOKafkaConsumer(**self._kafka, enable_auto_commit=False, isolation_level="read_committed")
        found: list[Request] = []
        try:
            await start_client(consumer)
            ends = await self._seek(consumer, await self._partitions())
            while any([await consumer.position(each) < end for each, end in ends.items()]):
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    found += [each for record in records if (each := self._request(record)) is not None]
        finally:
            await consumer.stop()
        return sorted(found, key=lambda request: request.time)

    async def _partitions(self) -> list[TopicPartition]:
        """The partitions of those topics that exist."""
        found: list[TopicPartition] = []
        admin = AIOKafkaAdminClient(**self._kafka)
        try:
            await start_client(admin)
            for topic in self._topics:
                with suppress(UnknownTopicOrPartitionError):
                    found += [TopicPartition(topic, number) for number in range(await partition_count(admin, topic))]
        finally:
            await admin.close()
        return found

    async def _seek(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Go back from the ends of the partitions; return the ends of those that have records."""
        if not partitions:
            return {}
        consumer.assign(partitions)
        begins = await consumer.beginning_offsets(partitions)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        for each in partitions:
            share = math.ceil(self._records / sum(other.topic == each.topic for other in partitions))
            consumer.seek(each, max(begins[each], ends[each] - share))
        return {each: end for each, end in ends.items() if end > begins[each]}

    def _request(self, record: Any) -> Request | None:
        try:
            read = self._topics[record.topic](record.value, record.timestamp)
        except InvalidRequest:
            return None
        return read if isinstance(read, Request) else None
