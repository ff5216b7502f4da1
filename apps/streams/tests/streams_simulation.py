"""Kafka as plain lists, for the two stages as they are.

The stages' own tasks and functions restore, process and commit here; only what talks to brokers is
replaced, by objects that follow Kafka's rules where the processor relies on them: a transaction's records and its
commit become true together, a reader of committed records stops at the first open transaction, aborted records and
transaction markers leave gaps in the offsets, and a producer that takes a transactional id fences its predecessor and
aborts what that left open. Time stands still unless the test moves it; `now` is the brokers' clock, which stamps what
is appended, and each worker's own may differ from it.
"""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata, RecordMetadata
from counted_by import make_counting

from clickstream_core.receipts import receipt_of
from clickstream_core.settings import read_settings
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, decode_window_metrics
from clickstream_kafka.clock import BrokersClock, Clock
from clickstream_kafka.records import OutgoingRecord
from clickstream_kafka.tasks import Replica, TaskSettings
from clickstream_kafka.transactions import LOG_APPEND_TIME, Transactions
from clickstream_streams import instruments
from clickstream_streams.events_stage import EventsTask
from clickstream_streams.main import count, merge
from clickstream_streams.merge_stage import MergeTask
from clickstream_streams.results import EmittedResult
from clickstream_streams.settings import StreamsSettings

METRICS_PARTITIONS = 2
MOST_RECORDS = 1000
"""Records that a fetch returns when a test says nothing else."""


def simulated_settings(**durations: str) -> StreamsSettings:
    """Return the processor's settings, with windows of 10 s and the others small beside it."""
    values = {
        "window_size": "10s",
        "out_of_orderness": "2s",
        "allowed_lateness": "5s",
        "idle_timeout": "3s",
        "max_clock_skew": "4s",
        "revision_interval": "0s",
    }
    environ = {name.upper(): text for name, text in (values | durations).items()}
    return read_settings(StreamsSettings, prog="test", description="", argv=[], environ=environ)


class Outcome(Enum):
    """How a transaction that was held ends: committed, refused, or committed without its owner being told."""

    COMMITTED = "committed"
    REFUSED = "refused"
    ANSWER_LOST = "answer lost"


@dataclass
class _Transaction:
    open: bool = True
    committed: bool = False
    results: set[int] = field(default_factory=set)
    """The partitions of the metrics topic in which it has written."""


@dataclass(frozen=True)
class LogRecord:
    """A record as a consumer sees it, and the transaction that it was written in."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    transaction: _Transaction | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass
class Log:
    """One partition of a topic."""

    first: int = 0
    end: int = 0
    records: list[LogRecord] = field(default_factory=list)

    def append(
        self,
        value: bytes | None,
        key: bytes | None,
        timestamp: int,
        transaction: _Transaction | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> int:
        """Add a record and return its offset."""
        self.records.append(LogRecord(self.end, timestamp, key, value, transaction, headers))
        self.end += 1
        return self.end - 1

    def mark(self) -> None:
        """Use up an offset, as the marker at a transaction's end does."""
        self.end += 1

    def truncate(self, first: int) -> None:
        """Forget the records before `first`, as retention does."""
        self.first = max(self.first, min(first, self.end))
        self.records = [record for record in self.records if record.offset >= self.first]

    @property
    def committed_end(self) -> int:
        """Where a reader of committed records stops: the last stable offset."""
        opened = (record.offset for record in self.records if record.transaction and record.transaction.open)
        return min(opened, default=self.end)

    def read(self, position: int, most: int) -> tuple[list[LogRecord], int]:
        """Return at most that many committed records from `position` on, and the position behind them."""
        end = self.committed_end
        found = [record for record in self.records if position <= record.offset < end and _is_true(record)]
        if len(found) > most:
            return found[:most], found[most - 1].offset + 1
        return found, max(position, end)


def _is_true(record: LogRecord) -> bool:
    return record.transaction is None or record.transaction.committed


@dataclass
class DeadLetterCopy:
    """A record on the dead-letter topic."""

    partition: int
    offset: int
    reason: str
    value: bytes | None


class Kafka:
    """The topics, the groups' commits and the transactional ids."""

    def __init__(self, settings: StreamsSettings, partitions: int) -> None:
        self.topics = settings.topics
        self.events = [Log() for _ in range(partitions)]
        self.partials = Log()
        self.metrics: list[WindowMetrics] = []
        self.receipts: list[bytes | None] = []
        self.places: list[RecordMetadata] = []
        self.metrics_ends = [0] * METRICS_PARTITIONS
        self.emitted_at: list[int] = []
        self.dead_letters: list[DeadLetterCopy] = []
        self.commits: dict[tuple[str, TopicPartition], OffsetAndMetadata] = {}
        self.epochs: dict[str, int] = {}
        self.opened: dict[str, _Transaction] = {}
        self.now = parse_timestamp("2024-10-26T10:30:00Z")
        self.monotonic = 0
        self.ahead: dict[int, int] = {}
        self.duplicates = 0
        """How many of the next transactions get no offsets told, as for a batch that the broker had already."""

    def log(self, partition: TopicPartition) -> Log:
        """Return the log of a partition of the events or the partials topic."""
        return self.events[partition.partition] if partition.topic == self.topics.events_topic else self.partials

    def clock(self, owner: int = 0, *, max_clock_skew: int = 0) -> BrokersClock:
        """Return the clock of a replica; its machine's own is as far ahead of the brokers' as `ahead` says then."""
        own = Clock(now=lambda: self.now + self.ahead.get(owner, 0), monotonic=lambda: self.monotonic)
        return BrokersClock(own, max_clock_skew=max_clock_skew)

    def add_partition(self) -> None:
        """Add a partition to the events topic."""
        self.events.append(Log())

    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.now += milliseconds
        self.monotonic += milliseconds

    def end_transaction(self, transactional_id: str, *, committed: bool) -> None:
        """Commit or abort the id's open transaction, if there is one."""
        transaction = self.opened.pop(transactional_id, None)
        if transaction is not None:
            transaction.open, transaction.committed = False, committed
            self.partials.mark()
            for partition in transaction.results:
                self.metrics_ends[partition] += 1

    # -- as an admin client -------------------------------------------------------------------------------------------

    async def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        counts = {self.topics.events_topic: len(self.events), self.topics.metrics_topic: METRICS_PARTITIONS}
        return [{"error_code": 0, "partitions": [None] * counts[topic]} for topic in topics]


async def stable_offsets(
    kafka: "Kafka", group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Stand in for `stable_offsets.stable_offsets`."""
    none = OffsetAndMetadata(-1, "")
    return {partition: kafka.commits.get((group_id, partition), none) for partition in partitions}


async def emitted_results(
    kafka: "Kafka", topic: str, partitions: int, group_id: str, *, over: int, begin: Sequence[int], **options: Any
) -> tuple[list[EmittedResult], list[int]]:
    """Stand in for `results.emitted_results`."""
    begin = [*begin, *[0] * partitions]
    results = [EmittedResult(m, p.partition, p.offset) for m, p in zip(kafka.metrics, kafka.places, strict=True)]
    found = [each for each in results if each.offset >= begin[each.partition]]
    return [each for each in found if parse_timestamp(each.metrics.window_end) > over], kafka.metrics_ends[:]


class Consumer:
    """A consumer of one partition, which returns at most `most` records at a time; without `answers`, fetches fail."""

    def __init__(self, kafka: Kafka) -> None:
        self.answers = True
        self.most = MOST_RECORDS
        self._kafka = kafka
        self._position = 0
        self._end: int | None = None
        self._fetches = 0

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._position = offset

    async def position(self, partition: TopicPartition) -> int:
        return self._position

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._end

    def last_poll_timestamp(self, partition: TopicPartition) -> int:
        return self._fetches

    async def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self._kafka.log(partition).first for partition in partitions}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self._kafka.log(partition).committed_end for partition in partitions}

    async def fetched(self, partition: TopicPartition, timeout_ms: int) -> list[list[LogRecord]]:
        if not self.answers:
            await asyncio.sleep(0)
            return []
        log = self._kafka.log(partition)
        assert self._position >= log.first, "a consumer would be reset here"
        records, self._position = log.read(self._position, self.most)
        self._end = log.end
        self._fetches += 1
        if not records:
            await asyncio.sleep(0)  # others go on while a consumer waits
        return [records] if records else []


class SimulatedTransactions(Transactions):
    """Transactions on the lists. While `hold` is a future, a transaction stops half-way until it has an outcome."""

    def __init__(self, kafka: Kafka, transactional_id: str, clock: BrokersClock) -> None:
        self.hold: asyncio.Future[Outcome] | None = None
        self._kafka = kafka
        self._clock: BrokersClock = clock
        self._id = transactional_id
        kafka.end_transaction(transactional_id, committed=False)
        self._epoch = kafka.epochs[transactional_id] = kafka.epochs.get(transactional_id, 0) + 1

    async def run(
        self, records: Iterable[OutgoingRecord], partition: TopicPartition, offset: int, metadata: str, group_id: str
    ) -> list[RecordMetadata]:
        sending = list(records)
        half = len(sending) // 2
        self._refuse_zombies()
        transaction = self._kafka.opened[self._id] = _Transaction()
        written = [self._send(record, transaction) for record in sending[:half]]
        outcome = await self.hold if self.hold is not None else Outcome.COMMITTED
        self.hold = None
        self._refuse_zombies()
        if outcome is Outcome.REFUSED:
            self._kafka.end_transaction(self._id, committed=False)
            raise KafkaError("refused")
        sent_at = self._clock.monotonic()
        written += [self._send(record, transaction) for record in sending[half:]]
        if written:
            self._clock.learn(written[-1].timestamp, sent=sent_at)
        self._kafka.commits[group_id, partition] = OffsetAndMetadata(offset, metadata)
        self._kafka.end_transaction(self._id, committed=True)
        topics = self._kafka.topics
        results = [record for record in sending if record.topic == topics.metrics_topic]
        self._kafka.metrics += [decode_window_metrics(record.value) for record in results]
        self._kafka.receipts += [receipt_of(record.headers) for record in results]
        self._kafka.places += [place for place in written if place.topic == topics.metrics_topic]
        self._kafka.emitted_at += [self._kafka.monotonic] * (len(self._kafka.metrics) - len(self._kafka.emitted_at))
        self._kafka.dead_letters += [_copy(r) for r in sending if r.topic == topics.dead_letter_topic]
        if self._kafka.duplicates:
            self._kafka.duplicates -= 1
            written = [place._replace(offset=-1) for place in written]
        if outcome is Outcome.ANSWER_LOST:
            raise KafkaError("the connection broke")
        return written

    def _refuse_zombies(self) -> None:
        if self._kafka.epochs[self._id] != self._epoch:
            raise ProducerFenced

    def _send(self, record: OutgoingRecord, transaction: _Transaction) -> RecordMetadata:
        topic, partition, offset, now = record.topic, 0, -1, self._kafka.now
        if topic == self._kafka.topics.partials_topic:
            offset = self._kafka.partials.append(record.value, record.key, now, transaction, record.headers)
        elif topic == self._kafka.topics.metrics_topic:
            partition = zlib.crc32(record.key or b"") % METRICS_PARTITIONS
            offset = self._kafka.metrics_ends[partition]
            transaction.results.add(partition)
            self._kafka.metrics_ends[partition] += 1
        return RecordMetadata(topic, partition, TopicPartition(topic, partition), offset, now, LOG_APPEND_TIME, None)


def _copy(record: OutgoingRecord) -> DeadLetterCopy:
    headers = dict(record.headers)
    place = int(headers["source-partition"]), int(headers["source-offset"])
    return DeadLetterCopy(*place, headers["reason"].decode(), record.value)


class Worker:
    """One replica's task for one partition, and the part of `tasks` that the test plays: when it does what."""

    def __init__(self, kafka: Kafka, settings: StreamsSettings, partition: TopicPartition, owner: int = 0) -> None:
        self.consumer = Consumer(kafka)
        self.clock = kafka.clock(owner, max_clock_skew=settings.max_clock_skew)
        self.task: EventsTask | MergeTask
        client: Any = kafka
        consumer: Any = self.consumer
        replica = Replica(client, client, self.clock, instruments.KAFKA, TaskSettings(settings.commit_interval))
        if partition.topic == settings.topics.events_topic:
            self._id = settings.transactional_id(partition.partition)
            self.task = EventsTask(
                partition, consumer, replica=replica, settings=settings, make_counting=make_counting, join_pause_ms=0
            )
        else:
            self._id = settings.merge_group_id
            self.task = MergeTask(partition, consumer, replica=replica, settings=settings, commit_visible_after_ms=0)
        self._kafka = kafka
        self._transactions: SimulatedTransactions | None = None
        self._busy: asyncio.Task[None] | None = None
        self._held: asyncio.Future[Outcome] | None = None

    async def take(self) -> None:
        """Begin to restore, with the memory if there still is one."""
        self._transactions = SimulatedTransactions(self._kafka, self._id, self.clock)
        self._busy = asyncio.create_task(self.task.restore(self._transactions))
        await self.settle()

    async def settle(self) -> None:
        """Let what was begun get as far as it can without anyone else; after an error, begin again as a task does."""
        for _ in range(4):
            if self._busy is not None and not self._busy.done():
                await asyncio.sleep(0)
        if self._busy is None or not self._busy.done():
            return
        busy, self._busy, self._held = self._busy, None, None
        try:
            busy.result()
        except ProducerFenced:
            self._transactions = None
        except KafkaError:
            self.task.forget()
            await self.take()

    @property
    def idle(self) -> bool:
        """Whether it is restored and not in the middle of something."""
        return self._transactions is not None and self._busy is None

    @property
    def retained_windows(self) -> int:
        """How many windows its memory holds."""
        if isinstance(self.task, EventsTask):
            return self.task._restored_state().open_windows
        return len(self.task._restored_merge()._windows)

    async def turn(self, most: int = MOST_RECORDS, *, answers: bool = True) -> None:
        """Fetch and process at most that many records."""
        if self.idle:
            self.consumer.most, self.consumer.answers = most, answers
            batches = await self.task.poll()
            await (count(self.task, batches) if isinstance(self.task, EventsTask) else merge(self.task, batches))
            self.consumer.most, self.consumer.answers = MOST_RECORDS, True

    async def commit(self, *, hold: bool = False) -> None:
        """Commit if there is news; on `hold` only half-way, until `finish`."""
        if self.idle and self.task.has_news():
            assert self._transactions is not None, "an idle worker has transactions"
            self._held = self._transactions.hold = asyncio.get_running_loop().create_future() if hold else None
            self._busy = asyncio.create_task(self.task.commit(self._transactions))
            await self.settle()

    async def finish(self, outcome: Outcome) -> None:
        """End the transaction that is held."""
        if self._held is not None:
            self._held.set_result(outcome)
            self._held = None
            await self.settle()

    async def die(self) -> None:
        """End as after kill -9; an open transaction stays open until the transactional id is taken again."""
        if self._busy is not None:
            self._busy.cancel()
            await asyncio.wait((self._busy,))
        self._busy = self._transactions = self._held = None
