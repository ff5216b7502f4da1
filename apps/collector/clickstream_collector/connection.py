"""The producer that the lanes send by: found patiently, replaced when it can't go on, and watched.

aiokafka finds moved leaders and lost brokers again by itself; what is left to do here is to begin (Kafka may be away,
topics may be missing, the password wrong), to notice that nothing is acknowledged, and to begin anew after Kafka has
refused a batch, whose sequence number an idempotent producer can't get past.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from clickstream_collector import instruments
from clickstream_collector.delivery import Delivery
from clickstream_core.logs import announce
from clickstream_core.patience import Patience
from clickstream_core.service import Health
from clickstream_kafka.diagnosis import why_refused

_AWAY_AFTER = 2.0
_MISSING_AFTER = 3.0
_TURN = 0.25
_ASKED_EVERY = 5.0
_LONGEST_START = 20.0
_LONGEST_FLUSH = 3.0
_BATCH_BYTES = 256 * 1024
_SHORTEST_LIFE = 2.0
"""Seconds that a producer works before it may be replaced at once."""

_PAUSE = 0.5

_log = logging.getLogger(__name__)


class Connection:
    """Keeps `delivery` connected to Kafka, and `health` true to it.

    `kafka` is an aiokafka client's configuration; `topics` are those that are written to.
    """

    def __init__(self, kafka: Mapping[str, Any], topics: Sequence[str], delivery: Delivery, health: Health) -> None:
        self._kafka = kafka
        self._topics = topics
        self._delivery = delivery
        self._health = health
        self._patience = Patience(health)
        self._failed = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._asks_at = 0.0
        self._silence = ""
        self._complete_at = 0.0

    def replace(self) -> None:
        """Have the producer replaced: it can't go on."""
        self._failed.set()

    def renew(self) -> None:
        """Have the connection made anew, if there is one: after a long silence it may be dead and not say so."""
        if self._delivery.connected:
            self._delivery.connect(None)
            self._failed.set()

    async def run(self) -> None:
        """Connect and watch, until cancelled."""
        while True:
            self._failed.clear()
            self._producer = await self._start()
            self._delivery.connect(self._producer)
            announce("✓ Connected to Kafka")
            began = time.monotonic()
            await self._watch(self._producer)
            task = asyncio.get_running_loop().create_task(self._end(self._producer))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
            if time.monotonic() - began < _SHORTEST_LIFE and not self._delivery.refused_for_size:
                await asyncio.sleep(_PAUSE)  # Kafka refuses what comes, and the next producer would fare no better

    async def _end(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer that was replaced, in its own time: what it has in flight may still arrive."""
        try:
            await producer.stop()
        except KafkaError as error:
            _log.warning("A producer that was replaced did not end in order: %r", error)
        finally:
            self._delivery.give_up(producer)

    async def close(self) -> None:
        """End the client; what was not acknowledged yet is given up."""
        self._delivery.connect(None)
        for task in self._stopping:
            task.cancel()
        if self._producer is not None:
            try:
                async with asyncio.timeout(_LONGEST_FLUSH):
                    await self._producer.stop()
            except (KafkaError, TimeoutError) as error:
                _log.warning("The connection to Kafka did not end in order: %r", error)

    async def _start(self) -> AIOKafkaProducer:
        """Return a started producer that knows all topics, however long that takes."""
        while True:
            producer = AIOKafkaProducer(
                **self._kafka,
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                max_batch_size=_BATCH_BYTES,
                request_timeout_ms=10_000,
                metadata_max_age_ms=10_000,
            )
            # An idempotent producer gives no batch up, but for one that is older than the request timeout when its
            # partition has no leader; and what was sent before may have been written.
            producer._message_accumulator._batch_ttl = math.inf
            try:
                async with asyncio.timeout(_LONGEST_START):
                    await producer.start()
                    for topic in self._topics:
                        self._delivery.set_partitions(topic, len(await producer.partitions_for(topic)))
            except (KafkaError, OSError, TimeoutError) as error:
                await _abandon(producer)
                why = await self._explain(error)
                await self._patience.wait(f"{why}; trying again until it answers")
            else:
                return producer

    async def _explain(self, error: Exception) -> str:
        if isinstance(error, (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):  # no topic at all
            return f"not authorized to write to {' and '.join(self._topics)}: grant this user Describe and Write"
        if isinstance(error, UnknownTopicOrPartitionError):
            return f"a topic does not exist ({' or '.join(self._topics)})"
        return await why_refused(self._kafka) or f"Kafka is away: {str(error) or 'no answer'}"

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Keep health and partition counts true, until the producer has failed."""
        said = ""
        self._complete_at = time.monotonic()
        while not self._failed.is_set():
            why = self._missing_topics(producer) or await self._obstacle(producer)
            kind = why.partition(":")[0]  # what follows counts seconds
            if kind != said:
                said = kind
                _log.warning(why or "Kafka acknowledges again")
            instruments.CONNECTED.set(not why)
            self._health.set_ready(not why, why)
            self._health.beat()
            try:
                async with asyncio.timeout(_TURN):
                    await self._failed.wait()
            except TimeoutError:
                continue
        instruments.CONNECTED.set(0)
        self._health.set_ready(False, "the connection to Kafka is made anew")

    def _missing_topics(self, producer: AIOKafkaProducer) -> str:
        """Keep the partition counts true, and name topics that have not been there for a while."""
        missing = []
        for topic in self._topics:
            partitions = producer.client.cluster.partitions_for_topic(topic)
            if partitions:
                self._delivery.set_partitions(topic, len(partitions))
            else:
                missing.append(topic)
        now = time.monotonic()
        if not missing:
            self._complete_at = now
        if now - self._complete_at <= _MISSING_AFTER:
            return ""
        for topic in missing:
            self._delivery.set_partitions(topic, 0)
        return f"topic {' and '.join(missing)} does not exist any more"

    async def _obstacle(self, producer: AIOKafkaProducer) -> str:
        """Say what keeps events from Kafka, an empty text for nothing: without events, Kafka is asked now and then."""
        waiting = self._delivery.waiting_for()
        if waiting > _AWAY_AFTER:
            return f"Kafka is away: nothing acknowledged for {waiting:.0f} s"
        if self._delivery.in_flight:
            return ""
        now = time.monotonic()
        if now >= self._asks_at:
            self._silence = "" if await _answers(producer) else await self._why_silent()
            self._asks_at = now + (0.0 if self._silence else _ASKED_EVERY)
        return self._silence

    async def _why_silent(self) -> str:
        away = "Kafka is away: no answer"
        try:
            async with asyncio.timeout(_AWAY_AFTER):
                return await why_refused(self._kafka) or away
        except TimeoutError:
            return away


async def _answers(producer: AIOKafkaProducer) -> bool:
    """Whether a broker answers a question within `_AWAY_AFTER`."""
    try:
        async with asyncio.timeout(_AWAY_AFTER):
            return bool(await producer.client.force_metadata_update())
    except (KafkaError, OSError, TimeoutError):
        return False


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer that has not started; one that was never connected may refuse even that."""
    try:
        async with asyncio.timeout(_LONGEST_FLUSH):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        _log.debug("closing a producer that did not start: %r", error)
