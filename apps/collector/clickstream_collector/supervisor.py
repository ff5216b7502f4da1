"""Starts the Kafka producer for the delivery, watches it, and replaces it when it can't continue.

aiokafka finds moved leaders and lost brokers again by itself. What remains is to start while Kafka is away, topics are
missing or the password is wrong, to notice that nothing is acknowledged, and to start a new producer after Kafka has
refused a batch: an idempotent producer can't get past the batch's sequence number.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, errors

from clickstream_collector import instruments
from clickstream_collector.delivery import Delivery
from clickstream_core.logs import announce
from clickstream_core.patience import Patience
from clickstream_core.service import Health
from clickstream_kafka.diagnosis import why_refused

_UNAVAILABLE_AFTER_S = 2.0
_MISSING_AFTER_S = 3.0
_WATCH_INTERVAL_S = 0.25
_PROBE_INTERVAL_S = 5.0
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 3.0
_BATCH_BYTES = 256 * 1024
_MIN_LIFETIME_S = 2.0  # a producer that fails earlier is replaced after a pause
_RESTART_PAUSE_S = 0.5

_log = logging.getLogger(__name__)


class ProducerSupervisor:
    """Keeps `delivery` connected to Kafka, and `health` up to date.

    `kafka` is an aiokafka client's configuration; `topics` are those that the collector writes to.
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
        self._next_probe_at = 0.0
        self._probe_failure = ""
        self._complete_at = 0.0

    def replace(self) -> None:
        """Replace the producer: it can't continue."""
        self._failed.set()

    def renew(self) -> None:
        """Reconnect if connected: after a long pause the connection may be dead without an error."""
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
            if time.monotonic() - began < _MIN_LIFETIME_S and not self._delivery.refused_for_size:
                # Kafka refuses the records, and would refuse the next producer's too.
                await asyncio.sleep(_RESTART_PAUSE_S)

    async def _end(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer that was replaced, without a timeout: what it has in flight may still be acknowledged."""
        try:
            await _stop(producer, None, logging.WARNING)
        finally:
            self._delivery.give_up(producer)

    async def close(self) -> None:
        """Close the client; what has not been acknowledged is dropped."""
        self._delivery.connect(None)
        for task in self._stopping:
            task.cancel()
        if self._producer is not None:
            await _stop(self._producer, _STOP_TIMEOUT_S, logging.WARNING)

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
            # An idempotent producer drops a batch that is older than the request timeout while its partition has no
            # leader, though what was sent before may have been written. It must not.
            producer._message_accumulator._batch_ttl = math.inf
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await producer.start()
                    for topic in self._topics:
                        self._delivery.set_partitions(topic, len(await producer.partitions_for(topic)))
            except (errors.KafkaError, OSError, TimeoutError) as error:
                await _stop(producer, _STOP_TIMEOUT_S, logging.DEBUG)
                why = await self._explain(error)
                await self._patience.wait(f"{why}; trying again until it answers")
            else:
                return producer

    async def _explain(self, error: Exception) -> str:
        if isinstance(error, (errors.TopicAuthorizationFailedError, errors.ClusterAuthorizationFailedError)):
            return f"not authorized to write to {' and '.join(self._topics)}: grant this user Describe and Write"
        if isinstance(error, errors.UnknownTopicOrPartitionError):
            return f"a topic does not exist ({' or '.join(self._topics)})"
        return await why_refused(self._kafka) or f"Kafka is away: {str(error) or 'no answer'}"

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Update health and partition counts until the producer has failed."""
        logged = ""
        self._complete_at = time.monotonic()
        while not self._failed.is_set():
            why = self._missing_topics(producer) or await self._obstacle(producer)
            kind = why.partition(":")[0]  # the rest has a number of seconds
            if kind != logged:
                logged = kind
                _log.warning(why or "Kafka acknowledges again")
            instruments.CONNECTED.set(not why)
            self._health.set_ready(not why, why)
            self._health.beat()
            try:
                async with asyncio.timeout(_WATCH_INTERVAL_S):
                    await self._failed.wait()
            except TimeoutError:
                continue
        instruments.CONNECTED.set(0)
        self._health.set_ready(False, "reconnecting to Kafka")

    def _missing_topics(self, producer: AIOKafkaProducer) -> str:
        """Update the partition counts, and return which topics have been missing for a while."""
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
        if now - self._complete_at <= _MISSING_AFTER_S:
            return ""
        for topic in missing:
            self._delivery.set_partitions(topic, 0)
        return f"topic {' and '.join(missing)} does not exist any more"

    async def _obstacle(self, producer: AIOKafkaProducer) -> str:
        """Return why Kafka does not accept events, "" if it does; without events in flight, probe it now and then."""
        waiting = self._delivery.waiting_for()
        if waiting > _UNAVAILABLE_AFTER_S:
            return f"Kafka is away: nothing acknowledged for {waiting:.0f} s"
        if self._delivery.in_flight:
            return ""
        now = time.monotonic()
        if now >= self._next_probe_at:
            self._probe_failure = "" if await _answers(producer) else await self._why_no_answer()
            self._next_probe_at = now + (0.0 if self._probe_failure else _PROBE_INTERVAL_S)
        return self._probe_failure

    async def _why_no_answer(self) -> str:
        away = "Kafka is away: no answer"
        try:
            async with asyncio.timeout(_UNAVAILABLE_AFTER_S):
                return await why_refused(self._kafka) or away
        except TimeoutError:
            return away


async def _answers(producer: AIOKafkaProducer) -> bool:
    """Whether a broker answers within `_UNAVAILABLE_AFTER_S`."""
    try:
        async with asyncio.timeout(_UNAVAILABLE_AFTER_S):
            return bool(await producer.client.force_metadata_update())
    except (errors.KafkaError, OSError, TimeoutError):
        return False


async def _stop(producer: AIOKafkaProducer, timeout_s: float | None, level: int) -> None:
    """Close a producer; one that was never connected may raise, so `level` is that of the line in the log."""
    try:
        async with asyncio.timeout(timeout_s):
            await producer.stop()
    except (errors.KafkaError, OSError, TimeoutError) as error:
        _log.log(level, "The connection to Kafka did not close cleanly: %r", error)
