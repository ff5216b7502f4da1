"""Events on their way to Kafka: batches, one partition's after the other, and the promises that wait for them.

Each partition has a lane: the batch that fills, and the one that is on its way. A batch goes when the lane is free and
its first event is `LINGER` old, so under load batches grow by themselves. A request gets one promise for all its
events; it is kept when Kafka has acknowledged the last batch that holds one of them. There is no future for an event.

The client is idempotent and never gives a batch up: while Kafka is away it sends the same batch again and again, and
the broker knows a repeat by its sequence number. So a batch is delivered once, however long that takes, and what is in
flight stays until then. It is bounded, in events and in bytes: at the bound, and while a lane's oldest event waits for
longer than `STUCK`, new events are refused instead of kept. An event that is sent again while it is on its way joins
the one that is, and counts towards the bound like any other, because somebody waits for it; see `retries` for what
comes later.

A batch that is too large for its topic (`max.message.bytes` is the operator's) is halved until it passes, or until the
one record that never will is alone: its promise names it, and nobody else's events are held up by it. Later batches of
that topic stay as small.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import murmur2
from aiokafka.record.memory_records import MemoryRecords
from msgspec import Struct

from clickstream_collector import instruments
from clickstream_collector.errors import TooLargeForKafka
from clickstream_collector.retries import Delivered
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

LINGER = 0.005
STUCK = 1.5
MOST_EVENTS = 50_000
MOST_BYTES = 64 * 1024 * 1024

_OVERHEAD = 200
_RETRY_PAUSE = 0.2
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_USUAL_KEY = 64  # bytes; a longer key is hashed each time, or the keys remembered could be half a gigabyte

_log = logging.getLogger(__name__)

Headers = tuple[tuple[str, bytes], ...]


class Record(Struct, frozen=True, gc=False):
    """One record for `topic`.

    `key` decides the partition; without one the partitions take turns. By its `fingerprint` a record that is sent again
    is known; it is 0 when no client can do that.
    """

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    fingerprint: int = 0

    @property
    def size(self) -> int:
        """Bytes of value, key and headers, and `_OVERHEAD` for what is kept beside them."""
        size = len(self.value) + _OVERHEAD
        if self.key is not None:
            size += len(self.key)
        for name, value in self.headers:
            size += len(name) + len(value)
        return size


class Promise:
    """What a request waits for: `kept` is done when Kafka has its records, or with KafkaRefused.

    The result of `kept` are the records, by their place in the request, that are too large for their topic.
    """

    __slots__ = ("_too_large", "_waits_for", "kept")

    def __init__(self) -> None:
        self.kept: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self._waits_for: set[Batch] = set()
        self._too_large: list[int] = []

    def wait_for(self, batch: "Batch", position: int, place: int) -> None:
        """Wait for the record at `position` in a batch; `place` is its place in the request."""
        self._waits_for.add(batch)
        batch.waiting.append((position, self, place))

    def batch_done(self, batch: "Batch", error: KafkaRefused | None) -> None:
        """Take note of a batch's end."""
        self._waits_for.discard(batch)
        if error is not None and not self.kept.done():
            self.kept.set_exception(error)
        self.check()

    def leave_out(self, place: int) -> None:
        """Take note that a record is too large for Kafka."""
        self._too_large.append(place)

    def check(self) -> None:
        """Keep the promise if nothing is waited for."""
        if not self._waits_for and not self.kept.done():
            self.kept.set_result(self._too_large)


class Batch:
    """The records of one partition that travel together, and who waits for them.

    `waiting` are a record's position here, the promise that waits for it, and its place in the promise's request.
    """

    def __init__(self, builder: Any, now: float) -> None:
        self.builder = builder
        self.begun = now
        self.records: list[int] = []
        self.bytes = 0
        self.waiting: list[tuple[int, Promise, int]] = []

    def append(self, record: Record, now_ms: int) -> bool:
        """Add a record, unless the batch is full."""
        added = self.builder.append(timestamp=now_ms, key=record.key, value=record.value, headers=list(record.headers))
        if added is None:
            return False
        self.records.append(record.fingerprint)
        self.bytes += record.size
        return True

    def halves(self, make_builder: Callable[[], Any]) -> tuple["Batch", "Batch"]:
        """Return two batches with the records of this one, in their order; the promises wait for those from now on."""
        written = MemoryRecords(bytes(self.builder._build())).next_batch()
        middle = len(self.records) // 2
        halves = (Batch(make_builder(), self.begun), Batch(make_builder(), self.begun))
        for position, (fingerprint, each) in enumerate(zip(self.records, written, strict=True)):
            record = Record("", each.value, each.key, tuple(each.headers), fingerprint)
            halves[position >= middle].append(record, each.timestamp)
        for half in halves:
            half.builder.close()
        for position, promise, place in self.waiting:
            second = position >= middle
            promise.wait_for(halves[second], position - middle if second else position, place)
        for promise in self.promises():
            promise.batch_done(self, None)
        return halves

    def promises(self) -> set[Promise]:
        """Return who waits for a record of this batch."""
        return {promise for _, promise, _ in self.waiting}


class Lane:
    """One partition: batches wait here for the one before them."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.batches: deque[Batch] = deque()
        self.filled = asyncio.Event()

    def oldest(self) -> float:
        """When the first event of what is not acknowledged came; infinity when all is."""
        return self.batches[0].begun if self.batches else float("inf")


class Delivery:
    """Takes records and delivers each of them once.

    `clock` gives seconds that only rise, `wall_clock` milliseconds since the epoch. Lanes send by `producer`, which its
    owner sets when there is a connection and takes away (None) when there is none; `failed` is called when Kafka has
    refused a batch for good, after which an idempotent producer can't go on and must be replaced; `refused_for_size` is
    whether that was for its size, so that the next producer is sent a smaller one or none. `patience` is how
    many seconds a request may wait for Kafka to be `available`: none where others wait behind it.
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
        self._delivered = Delivered(clock)
        self._turn = 0
        self._events = 0
        self._waiting = 0
        self._bytes = 0
        instruments.IN_FLIGHT_BOUND.set(MOST_EVENTS)

    @property
    def in_flight(self) -> int:
        """Events accepted, neither acknowledged nor refused."""
        return self._events

    @property
    def connected(self) -> bool:
        """Whether there is a producer to send by."""
        return self._connected.is_set()

    def connect(self, producer: Any) -> None:
        """Send by this started AIOKafkaProducer from now on; None for by none."""
        self._producer = producer
        if producer is None:
            self._connected.clear()
        else:
            self._connected.set()

    def give_up(self, producer: Any) -> None:
        """Take note that this producer has ended: what it was given and has not acknowledged never will be."""
        ended = self._ended.pop(id(producer), None)
        if ended is not None:
            ended.set_result(None)

    def set_partitions(self, topic: str, count: int) -> None:
        """Spread a topic's records over so many partitions."""
        self._partitions[topic] = count

    def waiting_for(self) -> float:
        """Seconds that the oldest unacknowledged event has waited; 0 when there is none."""
        oldest = min((lane.oldest() for lane in self._lanes.values()), default=float("inf"))
        return max(0.0, self._clock() - oldest)

    def accept(self, records: Sequence[Record]) -> Promise:
        """Take records, all or none of them. Raises KafkaUnavailable when Kafka does not take them at this moment."""
        self._check_room(records)
        promise, now, now_ms = Promise(), self._clock(), self._wall_clock()
        lanes = [self._lane(record) for record in records]
        before = self._events
        for lane in lanes:
            if now - lane.oldest() > STUCK:
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
        """Wait until Kafka is there and nothing waits for it too long, at most so long; return whether it is so."""
        deadline = self._clock() + seconds
        while True:
            taken = self.connected and self.waiting_for() <= STUCK
            if taken or self._clock() >= deadline:
                return taken
            await asyncio.sleep(0.01)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is in flight, at most so long; return whether that was reached."""
        deadline = self._clock() + seconds
        while self._events and self._clock() < deadline:  # noqa: ASYNC110 - once in the life of a process
            await asyncio.sleep(0.01)
        return not self._events

    async def close(self) -> None:
        """End the lanes; what is in flight is given up."""
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
        if self._waiting + len(records) > MOST_EVENTS or self._bytes + size > MOST_BYTES:
            raise KafkaUnavailable(f"{self._events} events are on their way to Kafka; there is no room for more")

    def _lane(self, record: Record) -> Lane:
        count = self._partitions[record.topic]
        if record.key is None:
            self._turn += 1
            partition = self._turn % count
        else:
            partition = (_remembered(record.key) if len(record.key) <= _USUAL_KEY else _hash(record.key)) % count
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
                    await asyncio.sleep(max(0.0, batch.begun + LINGER - self._clock()))
                batch.builder.close()
                error = await self._send(lane, batch)
                halves = await self._halved(lane, batch) if isinstance(error, TooLargeForKafka) else ()
                lane.batches.popleft()
                lane.batches.extendleft(reversed(halves))
                if not halves:
                    self._settle(batch, error)
            lane.filled.clear()

    async def _halved(self, lane: Lane, batch: Batch) -> Sequence[Batch]:
        """Return the two halves of a batch that is too large, nothing when it has only one record."""
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
        """Deliver a batch, however long it takes; return the error when Kafka refuses it for good."""
        while True:
            await self._connected.wait()
            producer = self._producer
            ended = self._ended.setdefault(id(producer), asyncio.get_running_loop().create_future())
            try:
                acknowledged = await producer.send_batch(batch.builder, lane.topic, partition=lane.partition)
            except (KafkaError, AssertionError) as error:  # AssertionError: the partition is not known at this moment
                _log.warning("A batch for %s-%d waits: %r", lane.topic, lane.partition, error)
                if isinstance(error, KafkaError) and not error.retriable:
                    self._replace(producer)
                await asyncio.sleep(_RETRY_PAUSE)
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
        """Have a producer that can't go on replaced, unless another one has taken its place already."""
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
        too_large = isinstance(error, TooLargeForKafka)  # only a record that is alone in its batch
        for _, promise, place in batch.waiting if too_large else ():
            promise.leave_out(place)
        for promise in batch.promises():
            promise.batch_done(batch, None if too_large else error)


def _hash(key: bytes) -> int:
    """The key's hash as the Java client takes it for choosing a partition."""
    return int(murmur2(key)) & 0x7FFFFFFF


_remembered = lru_cache(maxsize=65_536)(_hash)
