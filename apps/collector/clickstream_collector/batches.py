"""Records on their way to Kafka: batches of one partition, and the promises that wait for them."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiokafka.record.memory_records import MemoryRecords
from msgspec import Struct

from clickstream_kafka.errors import KafkaRefused

_OVERHEAD_BYTES = 200  # kept for a record beside its value, key and headers

Headers = tuple[tuple[str, bytes], ...]


class Record(Struct, frozen=True, gc=False):
    """One record for `topic`.

    `key` decides the partition; without one the partitions take turns. The `fingerprint` identifies a record that a
    client sends again; it is 0 if no client can.
    """

    topic: str
    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    fingerprint: int = 0

    @property
    def size(self) -> int:
        """Bytes of value, key and headers, plus `_OVERHEAD_BYTES`."""
        size = len(self.value) + _OVERHEAD_BYTES
        if self.key is not None:
            size += len(self.key)
        for name, value in self.headers:
            size += len(name) + len(value)
        return size


class Promise:
    """What a request waits for: the future `kept` is done when Kafka has its records, or fails with KafkaRefused.

    Its result are the places in the request of the records that are too large for their topic.
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
        self._waits_for.discard(batch)
        if error is not None and not self.kept.done():
            self.kept.set_exception(error)
        self.check()

    def leave_out(self, place: int) -> None:
        """Note that a record is too large for Kafka."""
        self._too_large.append(place)

    def check(self) -> None:
        """Complete `kept` if no batch is waited for."""
        if not self._waits_for and not self.kept.done():
            self.kept.set_result(self._too_large)


class Batch:
    """The records of one partition that are sent together, and the promises that wait for them.

    An element of `waiting` is a record's position here, the promise that waits for it, and its place in the request.
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
        """Return two batches with the records of this one, in order; the promises wait for these from now on."""
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
        return {promise for _, promise, _ in self.waiting}


class Lane:
    """One partition: each batch waits here for the one before it."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.batches: deque[Batch] = deque()
        self.filled = asyncio.Event()

    def oldest(self) -> float:
        """Return when the oldest unacknowledged event arrived; infinity if there is none."""
        return self.batches[0].begun if self.batches else float("inf")
