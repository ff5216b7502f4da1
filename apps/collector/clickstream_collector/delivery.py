"""Sends events to Kafka, in batches for each partition, one after the other.

Each partition has a lane: the batch that is filling, and the one that is being sent. A batch is sent when the lane is
free and its first event is `LINGER_S` old, so under load batches grow by themselves. A request gets one promise for all
its events, which is kept when Kafka has acknowledged the last batch with one of them: no future for each event.

The client is idempotent and never drops a batch: while Kafka is away it sends the same one again and again, so a batch
is delivered once, and stays in flight until then. An event that is sent again while the first copy is in flight joins
it; it counts towards the bound too, because a request waits for it. What is promised, the bounds, and what becomes of a
batch that is too large for its topic: docs/collector.md#delivery.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import murmur2

from clickstream_collector import instruments
from clickstream_collector.batches import Batch, Lane, Promise, Record
from clickstream_collector.duplicates import RecentlyDelivered
from clickstream_collector.errors import TooLargeForKafka
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

LINGER_S = 0.005
STUCK_AFTER_S = 1.5
MAX_EVENTS = 50_000
MAX_BYTES = 64 * 1024 * 1024

_RETRY_PAUSE_S = 0.2
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_CACHED_KEY_BYTES = 64  # longer keys are hashed each time, because caching them could take half a gigabyte

_log = logging.getLogger(__name__)


class Delivery:
    """Accepts records and delivers each of them once.

    `clock` returns monotonic seconds, `wall_clock` milliseconds since the epoch. The supervisor sets the producer while
    there is a connection (`connect`). `failed` is called when Kafka has refused a batch for good: an idempotent
    producer can't continue then and must be replaced. `refused_for_size` is true if that was because of its size, so
    that the next producer gets a smaller batch or none. `patience` is how many seconds a request may wait for Kafka to
    be `available`: 0 if other requests wait behind it.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        wall_clock: Callable[[], int],
        failed: Callable[[], None] = lambda: None,
        patience: float = 0.0,
    ) -> None:
        self.patience = patience
        self.refused_for_size = False
        self._clock = clock
        self._wall_clock = wall_clock
        self._failed = failed
        self._producer: Any = None
        self._ended: dict[int, asyncio.Future[None]] = {}
        self._connected = asyncio.Event()
        self._partitions: dict[str, int] = {}
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._on_their_way: dict[int, tuple[Batch, int]] = {}
        self._most_batch_bytes: dict[str, int] = {}
        self._delivered = RecentlyDelivered(clock)
        self._turn = 0
        self._events = 0
        self._waiting = 0
        self._bytes = 0
        instruments.IN_FLIGHT_BOUND.set(MAX_EVENTS)

    @property
    def in_flight(self) -> int:
        """Events accepted, neither acknowledged nor refused."""
        return self._events

    @property
    def connected(self) -> bool:
        """Whether there is a producer."""
        return self._connected.is_set()

    def connect(self, producer: Any) -> None:
        """Send with this started AIOKafkaProducer from now on; None while there is none."""
        self._producer = producer
        if producer is None:
            self._connected.clear()
        else:
            self._connected.set()

    def give_up(self, producer: Any) -> None:
        """Note that this producer has stopped: its unacknowledged batches will never be acknowledged."""
        ended = self._ended.pop(id(producer), None)
        if ended is not None:
            ended.set_result(None)

    def set_partitions(self, topic: str, count: int) -> None:
        """Distribute a topic's records over `count` partitions."""
        self._partitions[topic] = count

    def waiting_for(self) -> float:
        """Return the age of the oldest unacknowledged event in seconds; 0 if there is none."""
        oldest = min((lane.oldest() for lane in self._lanes.values()), default=float("inf"))
        return max(0.0, self._clock() - oldest)

    def accept(self, records: Sequence[Record]) -> Promise:
        """Accept records, all or none of them. Raises KafkaUnavailable if they can't be sent at the moment."""
        self._check_room(records)
        promise, now, now_ms = Promise(), self._clock(), self._wall_clock()
        lanes = [self._lane(record) for record in records]
        before = self._events
        for lane in lanes:
            if now - lane.oldest() > STUCK_AFTER_S:
                raise KafkaUnavailable(f"Kafka is slow: nothing acknowledged for {now - lane.oldest():.1f} s")
        for place, (record, lane) in enumerate(zip(records, lanes, strict=True)):
            if record.fingerprint:
                on_its_way = self._on_their_way.get(record.fingerprint)
                if on_its_way is not None:
                    instruments.JOINED.inc()
                    self._waiting += 1
                    promise.wait_for(*on_its_way, place)
                    continue
                if record.fingerprint in self._delivered:
                    instruments.JOINED.inc()
                    continue
            batch = self._append(lane, record, now, now_ms)
            self._waiting += 1
            promise.wait_for(batch, len(batch.records) - 1, place)
        instruments.ACCEPTED.inc(self._events - before)
        instruments.IN_FLIGHT.set(self._events)
        promise.check()
        return promise

    async def available(self, seconds: float) -> bool:
        """Wait up to `seconds` until Kafka is connected and acknowledges in time; return whether it does."""
        deadline = self._clock() + seconds
        while True:
            taken = self.connected and self.waiting_for() <= STUCK_AFTER_S
            if taken or self._clock() >= deadline:
                return taken
            await asyncio.sleep(0.01)

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until nothing is in flight; return whether that is so."""
        deadline = self._clock() + seconds
        while self._events and self._clock() < deadline:  # noqa: ASYNC110 - once in a process
            await asyncio.sleep(0.01)
        return not self._events

    async def close(self) -> None:
        """Stop the lanes; what is in flight is dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_room(self, records: Sequence[Record]) -> None:
        if not self._connected.is_set():
            raise KafkaUnavailable("Kafka is away")
        for record in records:
            if not self._partitions.get(record.topic):
                raise KafkaUnavailable(f"topic {record.topic} does not exist")
        size = sum(record.size for record in records)
        if self._waiting + len(records) > MAX_EVENTS or self._bytes + size > MAX_BYTES:
            raise KafkaUnavailable(f"{self._events} events are on their way to Kafka; there is no room for more")

    def _lane(self, record: Record) -> Lane:
        count = self._partitions[record.topic]
        if record.key is None:
            self._turn += 1
            partition = self._turn % count
        else:
            partition = (
                _cached_hash(record.key) if len(record.key) <= _CACHED_KEY_BYTES else _hash(record.key)
            ) % count
        lane = self._lanes.get((record.topic, partition))
        if lane is None:
            lane = self._lanes[record.topic, partition] = Lane(record.topic, partition)
            self._tasks.append(asyncio.get_running_loop().create_task(self._run(lane)))
        return lane

    def _append(self, lane: Lane, record: Record, now: float, now_ms: int) -> Batch:
        batch = lane.batches[-1] if lane.batches else None
        if batch is None or self._is_full(lane, batch, record) or not batch.append(record, now_ms):
            batch = Batch(self._producer.create_batch(), now)
            if not batch.append(record, now_ms):
                raise ValueError(f"a record of {len(record.value)} bytes fits no batch")
            lane.batches.append(batch)
            lane.filled.set()
        if record.fingerprint:
            self._on_their_way[record.fingerprint] = (batch, len(batch.records) - 1)
        self._events += 1
        self._bytes += record.size
        return batch

    def _is_full(self, lane: Lane, batch: Batch, record: Record) -> bool:
        most = self._most_batch_bytes.get(lane.topic)
        return bool(batch.builder.closed()) or (most is not None and batch.bytes + record.size > most)

    async def _run(self, lane: Lane) -> None:
        while True:
            await lane.filled.wait()
            while lane.batches:
                batch = lane.batches[0]
                if len(lane.batches) == 1:
                    await asyncio.sleep(max(0.0, batch.begun + LINGER_S - self._clock()))
                batch.builder.close()
                error = await self._send(lane, batch)
                halves = await self._halved(lane, batch) if isinstance(error, TooLargeForKafka) else ()
                lane.batches.popleft()
                lane.batches.extendleft(reversed(halves))
                if not halves:
                    self._settle(batch, error)
            lane.filled.clear()

    async def _halved(self, lane: Lane, batch: Batch) -> Sequence[Batch]:
        """Return the two halves of a batch that is too large, nothing if it has only one record."""
        if len(batch.records) == 1:
            return ()
        self._most_batch_bytes[lane.topic] = batch.bytes // 2
        await self._connected.wait()
        halves = batch.halves(self._producer.create_batch)
        for half in halves:
            for position, fingerprint in enumerate(half.records):
                if fingerprint:
                    self._on_their_way[fingerprint] = (half, position)
        return halves

    async def _send(self, lane: Lane, batch: Batch) -> KafkaRefused | None:
        """Deliver a batch, however long it takes; return the error if Kafka refuses it for good."""
        while True:
            await self._connected.wait()
            producer = self._producer
            ended = self._ended.setdefault(id(producer), asyncio.get_running_loop().create_future())
            try:
                acknowledged = await producer.send_batch(batch.builder, lane.topic, partition=lane.partition)
            except (KafkaError, AssertionError) as error:  # AssertionError: the partition is unknown at the moment
                _log.warning("Retrying a batch for %s-%d: %r", lane.topic, lane.partition, error)
                if isinstance(error, KafkaError) and not error.retriable:
                    self._replace(producer)
                await asyncio.sleep(_RETRY_PAUSE_S)
                continue
            await asyncio.wait((acknowledged, ended), return_when=asyncio.FIRST_COMPLETED)
            if not acknowledged.done():
                acknowledged.cancel()
                return KafkaRefused(f"the connection for topic {lane.topic} ended before Kafka acknowledged")
            try:
                acknowledged.result()
            except KafkaError as error:
                self.refused_for_size = isinstance(error, _TOO_LARGE)
                self._replace(producer)
                _log.error("Kafka refused %d records for %s: %r", len(batch.records), lane.topic, error)
                kind = TooLargeForKafka if self.refused_for_size else KafkaRefused
                return kind(f"Kafka refuses records for topic {lane.topic}: {error!r}")
            return None

    def _replace(self, producer: Any) -> None:
        """Request a new producer, unless this one has been replaced already."""
        if producer is self._producer:
            self.connect(None)
            self._failed()

    def _settle(self, batch: Batch, error: KafkaRefused | None) -> None:
        self._events -= len(batch.records)
        self._waiting -= len(batch.waiting)
        self._bytes -= batch.bytes
        for fingerprint in batch.records:
            if fingerprint:
                self._on_their_way.pop(fingerprint, None)
                if error is None:
                    self._delivered.add(fingerprint)
        if error is None:
            instruments.ACKNOWLEDGED.inc(len(batch.records))
            instruments.DELIVERY_SECONDS.observe(self._clock() - batch.begun)
        instruments.IN_FLIGHT.set(self._events)
        too_large = isinstance(error, TooLargeForKafka)  # only if a record is alone in its batch
        for _, promise, place in batch.waiting if too_large else ():
            promise.leave_out(place)
        for promise in batch.promises():
            promise.batch_done(batch, None if too_large else error)


def _hash(key: bytes) -> int:
    """Return the key's hash by which the Java client chooses a partition."""
    return int(murmur2(key)) & 0x7FFFFFFF


_cached_hash = lru_cache(maxsize=65_536)(_hash)
