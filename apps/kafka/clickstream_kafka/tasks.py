"""One asyncio task for each assigned partition, and its life: open, turn by turn, a last commit, close.

`PartitionTask` is what both stages have in common. On assignment it starts the partition's transactional producer,
which fences whoever had the partition before, reads the commit and restores; only then does it process. After any
error that Kafka is the cause of, it closes the producer, forgets its memory and begins again from the log. When the
partition is taken away it finishes its turn, commits and closes; if the same partition comes back and nobody has
committed since, its memory is still good.

`PartitionStream` is the kstreams stream that owns the tasks of a topic's assigned partitions.
"""

import abc
import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from kstreams import RebalanceListener, Stream

from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.transactions import Transactions, start_client
from clickstream_streams import instruments
from clickstream_streams.columns import Record
from clickstream_streams.errors import FatalError
from clickstream_streams.settings import StreamsSettings

_POLL_MS = 200
_URGENT_PAUSE = 250
_SHORTEST_BACKOFF = 0.1
_LONGEST_BACKOFF = 5.0
_PAUSE_BEFORE_JOINING = 1.0
_PATIENCE_AT_STOP = 3.0
_PATIENCE_AT_LEAVING = 1.0
_SAID_AGAIN_AFTER = 30_000
"""Milliseconds until a partition's trouble is worth a line in the log again, when it is the same as before."""
_LONG_RESTORE_S = 5.0
_LONG_RESTORE_SAID_EVERY_S = 30.0
_TRANSIENT = (KafkaError, OSError, TimeoutError)

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Replica:
    """What all tasks of a replica share; `kafka` are the keyword arguments of aiokafka's clients."""

    settings: StreamsSettings
    kafka: dict[str, Any]
    admin: AIOKafkaAdminClient
    clock: BrokersClock


class PartitionTask(abc.ABC):
    """The life of one partition in one replica; a stage says what is done in each phase."""

    def __init__(self, partition: TopicPartition, consumer: BatchConsumer, replica: Replica) -> None:
        self.partition = partition
        self.consumer = consumer
        self.settings = replica.settings
        self.kafka = replica.kafka
        self.admin = replica.admin
        self.clock = replica.clock
        self.ready = False
        self.trouble = ""
        """Why it had to begin again, until it is restored."""
        self.step = ""
        """What the restore waits for, while there is one."""
        self.last_turn = self.clock.monotonic()
        self._last_commit = self.clock.monotonic()
        self._committed = False
        self._told, self._told_at = "", self.clock.monotonic()
        self._stopping = asyncio.Event()
        instruments.UNREADABLE.labels(partition.topic, str(partition.partition))  # there before its first count

    # -- what a stage does --------------------------------------------------------------------------------------------

    @abc.abstractmethod
    async def start_producer(self) -> Transactions:
        """Open the partition's transactions."""

    @abc.abstractmethod
    async def restore(self, transactions: Transactions) -> None:
        """Continue from the commit: fill the memory and seek the consumer to the committed offset."""

    @abc.abstractmethod
    async def process(self, fetched: Iterable[Sequence[Record]]) -> None:
        """Take the next records, in lists; none when there were none for a while."""

    @abc.abstractmethod
    def has_news(self) -> bool:
        """Whether there is something to commit."""

    @abc.abstractmethod
    def is_urgent(self) -> bool:
        """Whether it should not wait for the commit interval."""

    def is_full(self) -> bool:
        """Whether it must be committed before more is taken."""
        return False

    @abc.abstractmethod
    async def commit(self, transactions: Transactions) -> None:
        """Write what there is to write, and the offset, in one transaction."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Drop the memory: it may not be what the log says."""

    @abc.abstractmethod
    def hide(self) -> None:
        """Take the partition out of the replica's gauges: another replica tells of it now."""

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> "asyncio.Task[None]":
        """Work on the partition until `stop`, in an asyncio task that raises FatalError when no retry can help."""
        self._stopping.clear()
        return asyncio.create_task(self._run(), name=self._name)

    def waits_for(self) -> str:
        """What it has met and what it waits for until it is ready; "" when there is nothing to say."""
        return "; ".join(filter(None, (self.trouble, self.step and f"waits for {self.step}")))

    def stop(self) -> None:
        """Let the task finish its turn, commit and end."""
        self._stopping.set()

    async def _run(self) -> None:
        backoff = _SHORTEST_BACKOFF
        while not self._stopping.is_set():
            try:
                await self._live()
            except _TRANSIENT as error:
                self.forget()
                if self._committed:
                    backoff = _SHORTEST_BACKOFF
                if self._stopping.is_set():
                    _log.warning(
                        "%s: the last commit failed, its events will be replayed: %s",
                        self._name,
                        _said(error),
                        extra={"partition": self.partition.partition},
                    )
                    return
                self._begins_again(_said(error), backoff)
                self.step = ""
                self.beat()
                await self._unless_stopping(asyncio.sleep(backoff))
                backoff = min(2 * backoff, _LONGEST_BACKOFF)
            finally:
                self.ready, self.step = False, ""

    def _begins_again(self, trouble: str, pause: float) -> None:
        """Take note of the trouble for readiness, and say it in the log when it is new or was long not said."""
        now = self.clock.monotonic()
        repeated = trouble == self._told and now - self._told_at < _SAID_AGAIN_AFTER
        _log.log(
            logging.DEBUG if repeated else logging.WARNING,
            "%s: begins again from the log in %.1f s: %s",
            self._name,
            pause,
            trouble,
            extra={"partition": self.partition.partition},
        )
        if not repeated:
            self._told, self._told_at = trouble, now
        self.trouble = trouble

    async def _live(self) -> None:
        self._committed = False
        telling = asyncio.create_task(self._tell_of_a_long_restore())
        try:
            transactions = await self._begun()
        finally:
            telling.cancel()
        if transactions is None:
            return
        try:
            self.ready, self.trouble, self.step = True, "", ""
            while not self._stopping.is_set():
                await self._turn(transactions)
            if self.has_news():
                await self.commit(transactions)
        finally:
            await transactions.close()

    async def _begun(self) -> Transactions | None:
        """Open the transactions and restore; None when the task is to stop first."""
        self.step = "the coordinator of its transactions"
        transactions = await self._unless_stopping(self.start_producer())
        if transactions is None:
            return None
        self.beat()
        restored = None
        try:
            restored = await self._unless_stopping(self._restored(transactions))
            if restored is None:
                self.forget()
        finally:
            if restored is None:
                await transactions.close()
        return transactions if restored else None

    async def _tell_of_a_long_restore(self) -> None:
        """Say in the log what the restore waits for, after 5 s and then every 30 s, until cancelled."""
        began = self.clock.monotonic()
        await asyncio.sleep(_LONG_RESTORE_S)
        while True:
            _log.warning(
                "%s: has been restoring for %d s and waits for %s",
                self._name,
                (self.clock.monotonic() - began) // 1000,
                self.step,
                extra={"partition": self.partition.partition},
            )
            await asyncio.sleep(_LONG_RESTORE_SAID_EVERY_S)

    async def _restored(self, transactions: Transactions) -> bool:
        await self.restore(transactions)
        return True

    async def _turn(self, transactions: Transactions) -> None:
        await self.process(await self.poll())
        self.beat()
        since = self.clock.monotonic() - self._last_commit
        urgent = self.is_full() or (since >= _URGENT_PAUSE and self.is_urgent())
        if urgent or since >= self.settings.commit_interval:
            if self.has_news():
                await self.commit(transactions)
                self._committed = True
            self._last_commit = self.clock.monotonic()
        await asyncio.sleep(0)

    async def poll(self) -> Iterable[Sequence[Record]]:
        """Return the next records of the partition, in lists; none after a short wait."""
        return await self.consumer.fetched(self.partition, _POLL_MS)

    def beat(self) -> None:
        """Say that there was progress."""
        self.last_turn = self.clock.monotonic()

    async def _unless_stopping(self, work: Awaitable[_Result]) -> _Result | None:
        """Wait for `work`; when the task is to stop first, cancel it and return None."""
        working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for future in (working, stopping):
                if not future.done():
                    future.cancel()
                    with suppress(asyncio.CancelledError):
                        await future

    @property
    def _name(self) -> str:
        return f"{self.partition.topic}[{self.partition.partition}]"


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "Kafka does not answer"
    name, text = type(error).__name__, str(error)
    return text if name in text else f"{name}: {text}"  # aiokafka's own errors begin with their name


MakeTask = Callable[[TopicPartition, BatchConsumer], PartitionTask]


class PartitionStream(Stream):
    """A stream whose records are handed to one PartitionTask for each assigned partition.

    Its `start` returns when the stream was stopped and raises what a task raised that no retry mends.
    """

    def __init__(self, topic: str, *, stage: str, make_task: MakeTask, config: dict[str, object]) -> None:
        super().__init__(
            topic,
            func=make_task,
            name=topic,
            config=config,
            consumer_class=BatchConsumer,
            rebalance_listener=_Assignment(self.release, self.take),
        )
        self.tasks: dict[TopicPartition, PartitionTask] = {}
        self.assigned = False
        self._stage = stage
        self._make_task = make_task
        self._running: dict[TopicPartition, asyncio.Task[None]] = {}
        self._trouble = ""
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Join the group, when Kafka is there, and work until stopped."""
        self.running = True
        while self.running:
            if await self._consuming():
                break
            await asyncio.sleep(_PAUSE_BEFORE_JOINING)
        await self._ended

    async def stop(self) -> None:
        """Finish and commit what the tasks have at hand, and leave the group."""
        if not self.running:
            return
        self.running = False
        await self.release()
        consumer, self.consumer = self.consumer, None
        if consumer is not None:
            await _in_time(consumer.stop())
        if not self._ended.done():
            self._ended.set_result(None)

    async def _consuming(self) -> bool:
        """Start a consumer; return False when Kafka has to be asked again."""
        self.subscribe()
        consumer = self.consumer
        assert consumer is not None, "subscribe() creates the consumer"
        try:
            await start_client(consumer)
        except KafkaError as error:
            if not error.retriable:
                raise
            self._trouble = _said(error)
            _log.warning("%s: cannot join the group yet: %s", self.name, self._trouble)
            self.consumer = None
            await _in_time(consumer.stop())
            return False
        self._trouble = ""
        return True

    def waits_for(self) -> str:
        """What is missing until partitions are assigned, perhaps none, and all of them restored; "" when nothing is."""
        if self.assigned and all(task.ready for task in self.tasks.values()):
            return "" if self.tasks or self._topic_exists() else f"topic {self.name} does not exist any more"
        unready = sorted((each for each in self.tasks.values() if not each.ready), key=lambda task: not task.trouble)
        reasons = [f"partition {task.partition.partition}: {task.waits_for()}" for task in unready if task.waits_for()]
        trouble = next(iter(reasons), self._trouble)
        return f"{self.name}: waiting for assignment, restore or Kafka" + (f" ({trouble})" if trouble else "")

    def _topic_exists(self) -> bool:
        return self.consumer is None or bool(self.consumer.partitions_for_topic(self.name))

    def take(self, partitions: set[TopicPartition]) -> None:
        """Start the tasks of the partitions; one that comes back keeps its memory."""
        if not self.running:
            return  # the group was still about to hand over partitions while the stream was being stopped
        assert isinstance(self.consumer, BatchConsumer), "the stream was made with this class"
        kept = {partition: task for partition, task in self.tasks.items() if partition in partitions}
        for partition in self.tasks.keys() - kept.keys():
            self.tasks[partition].hide()
        self.tasks = {p: kept.get(p) or self._make_task(p, self.consumer) for p in sorted(partitions)}
        for partition, task in self.tasks.items():
            running = self._running[partition] = task.start()
            running.add_done_callback(self._task_ended)
        self.assigned = True
        instruments.REBALANCES.labels(self._stage).inc()

    async def release(self) -> None:
        """Stop the tasks; those that don't manage their last commit in time are cancelled, to be replayed."""
        self.assigned = False
        for task in self.tasks.values():
            task.stop()
        running, self._running = list(self._running.values()), {}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=_PATIENCE_AT_STOP)
        for future in late:
            future.cancel()
        if late:
            await asyncio.wait(late, timeout=1)
            for task in self.tasks.values():
                task.hide()
            self.tasks = {}

    def _task_ended(self, running: "asyncio.Task[None]") -> None:
        if running.cancelled() or running.exception() is None or self._ended.done():
            return
        error = running.exception()
        self._ended.set_exception(error if isinstance(error, FatalError) else _bug(running.get_name(), error))


async def _in_time(leaving: Coroutine[Any, Any, None]) -> None:
    """Wait until aiokafka has left the group, but neither for a Kafka that is away nor for what aiokafka cancels."""
    left = asyncio.create_task(leaving)
    await asyncio.wait((left,), timeout=_PATIENCE_AT_LEAVING)
    if left.done() and not left.cancelled() and left.exception() is not None:
        _log.debug("could not leave the group: %r", left.exception())


def _bug(name: str, error: BaseException | None) -> BaseException:
    _log.critical("%s ended with an unexpected error", name, exc_info=error)
    return error or RuntimeError(name)


class _Assignment(RebalanceListener):
    """Hands partitions to the stream and takes them away; the group's protocol is eager, so always all of them."""

    def __init__(self, release: Callable[[], Awaitable[None]], take: Callable[[set[TopicPartition]], None]) -> None:
        super().__init__()
        self._release = release
        self._take = take

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._take(assigned)
