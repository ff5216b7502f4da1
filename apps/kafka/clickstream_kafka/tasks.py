"""The life of a partition in a replica: open, restore, turn after turn, a last commit, close.

On assignment `PartitionTask` starts the partition's transactional producer, which fences the former owner, reads the
commit and restores; only then does it process. Each turn fetches a batch and passes it to the stream's function; what
that left in memory is committed when the commit interval has passed, or earlier when it is urgent. After an error that
may pass, the task closes the producer, drops its memory and begins again from the log. When the partition is revoked it
finishes its turn, commits and closes. If the same partition is assigned again and its last commit is still the newest,
its memory is still valid.
"""

import abc
import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from clickstream_core.log_throttle import LogThrottle
from clickstream_kafka import unreadable
from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.errors import CommitUndecided
from clickstream_kafka.instruments import KafkaInstruments
from clickstream_kafka.records import Batches
from clickstream_kafka.running import unless
from clickstream_kafka.transactions import Transactions

_TRANSIENT = (KafkaError, OSError, TimeoutError)

Process = Callable[[Batches], Awaitable[None]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskSettings:
    """When a task commits, polls, begins again and writes to the log. All times are in milliseconds."""

    commit_interval: int
    urgent_commit_interval: int = 250
    poll_timeout: int = 200
    min_backoff: int = 100
    max_backoff: int = 5_000
    log_interval: int = 30_000  # between two lines about the same trouble, or the same restore
    long_restore: int = 5_000  # a restore that takes longer is logged


@dataclass(frozen=True)
class Replica:
    """What all tasks of a replica share; `kafka` are the keyword arguments of aiokafka's clients."""

    kafka: dict[str, Any]
    admin: AIOKafkaAdminClient
    clock: BrokersClock
    instruments: KafkaInstruments
    task_settings: TaskSettings


class PartitionTask(abc.ABC):
    """One partition in one replica; a subclass holds its memory, restores it and commits it."""

    def __init__(self, partition: TopicPartition, consumer: BatchConsumer, replica: Replica) -> None:
        self.partition = partition
        self.consumer = consumer
        self.kafka = replica.kafka
        self.admin = replica.admin
        self.clock = replica.clock
        self.ready = False
        self.trouble = ""
        """Why it had to begin again, until it is restored."""
        self.step = ""
        """What the restore waits for, during one."""
        self.last_turn = self.clock.monotonic()
        self.name = f"{partition.topic}[{partition.partition}]"
        self._log = logging.LoggerAdapter(_log, {"partition": partition.partition})
        self._times = replica.task_settings
        self._last_commit = self.clock.monotonic()
        self._committed = False
        self._throttle = LogThrottle(self._times.log_interval / 1000)
        self._stopping = asyncio.Event()
        replica.instruments.unreadable.labels(partition.topic, str(partition.partition))  # creates the series

    # -- what a subclass does -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    async def start_producer(self) -> Transactions:
        """Open the partition's transactions."""

    @abc.abstractmethod
    async def restore(self, transactions: Transactions) -> None:
        """Continue from the commit: fill the memory and seek the consumer to the committed offset."""

    @abc.abstractmethod
    def has_news(self) -> bool:
        """Whether there is something to commit."""

    def is_urgent(self) -> bool:
        """Whether the commit should not wait for the commit interval."""
        return False

    def is_full(self) -> bool:
        """Whether a commit must come before the next records."""
        return False

    @abc.abstractmethod
    async def commit(self, transactions: Transactions) -> None:
        """Write the output and the offset in one transaction."""

    @abc.abstractmethod
    def forget(self) -> None:
        """Drop the memory: it may differ from the log."""

    @abc.abstractmethod
    def clear_metrics(self) -> None:
        """Remove the partition from the replica's gauges: another replica shows it now."""

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, process: Process) -> "asyncio.Task[None]":
        """Work on the partition until `stop`, in an asyncio task that raises FatalError when no retry can help.

        `process` is called each turn with the next records, which may be none.
        """
        self._stopping.clear()
        return asyncio.create_task(self._run(process), name=self.name)

    def waits_for(self) -> str:
        """Return the trouble and the step that it waits for until it is ready; "" when there are none."""
        return "; ".join(filter(None, (self.trouble, self.step and f"waits for {self.step}")))

    def stop(self) -> None:
        """Have the task finish its turn, commit and end."""
        self._stopping.set()

    async def _run(self, process: Process) -> None:
        backoff = self._times.min_backoff
        while not self._stopping.is_set():
            try:
                await self._live(process)
            except _TRANSIENT as error:
                self.forget()
                if self._committed:
                    backoff = self._times.min_backoff
                if self._stopping.is_set():
                    self._log.warning(
                        "%s: the last commit failed, its events will be replayed: %s",
                        self.name,
                        describe(error),
                    )
                    return
                self._note_trouble(describe(error), backoff)
                self.step = ""
                self.beat()
                await unless(self._stopping, asyncio.sleep(backoff / 1000))
                backoff = min(2 * backoff, self._times.max_backoff)
            finally:
                self.ready, self.step = False, ""

    def _note_trouble(self, trouble: str, backoff: int) -> None:
        """Keep the trouble for readiness, and log it unless it was logged a short while ago."""
        self._log.log(
            logging.WARNING if self.may_log(trouble) else logging.DEBUG,
            "%s: begins again from the log in %.1f s: %s",
            self.name,
            backoff / 1000,
            trouble,
        )
        self.trouble = trouble

    async def _live(self, process: Process) -> None:
        self._committed = False
        logging_progress = asyncio.create_task(self._log_long_restore())
        try:
            transactions = await self._open()
        finally:
            logging_progress.cancel()
        if transactions is None:
            return
        try:
            self.ready, self.trouble, self.step = True, "", ""
            while not self._stopping.is_set():
                await self._turn(process, transactions)
            if self.has_news():
                await self.commit(transactions)
        finally:
            await transactions.close()

    async def _open(self) -> Transactions | None:
        """Open the transactions and restore; return None when the task was stopped first."""
        self.step = "the coordinator of its transactions"
        transactions = await unless(self._stopping, self.start_producer())
        if transactions is None:
            return None
        self.beat()
        restored = None
        try:
            restored = await unless(self._stopping, self._restored(transactions))
            if restored is None:
                self.forget()
        finally:
            if restored is None:
                await transactions.close()
        return transactions if restored else None

    async def _log_long_restore(self) -> None:
        """Log what the restore waits for, when it takes long and repeatedly after that, until cancelled."""
        began = self.clock.monotonic()
        await asyncio.sleep(self._times.long_restore / 1000)
        while True:
            self._log.warning(
                "%s: has been restoring for %d s and waits for %s",
                self.name,
                (self.clock.monotonic() - began) // 1000,
                self.step,
            )
            await asyncio.sleep(self._times.log_interval / 1000)

    async def _restored(self, transactions: Transactions) -> bool:
        await self.restore(transactions)
        return True

    async def _turn(self, process: Process, transactions: Transactions) -> None:
        await process(await self.poll())
        self.beat()
        since = self.clock.monotonic() - self._last_commit
        urgent = self.is_full() or (since >= self._times.urgent_commit_interval and self.is_urgent())
        if urgent or since >= self._times.commit_interval:
            if self.has_news():
                await self.commit(transactions)
                self._committed = True
            self._last_commit = self.clock.monotonic()
        await asyncio.sleep(0)

    async def poll(self) -> Batches:
        """Return the next records of the partition, in lists; none after a short wait."""
        return await self.consumer.fetched(self.partition, self._times.poll_timeout)

    def beat(self) -> None:
        self.last_turn = self.clock.monotonic()

    def may_log(self, subject: str) -> bool:
        """Whether the subject's last line in the log is long enough ago; if so, it gets one now."""
        return self._throttle.allow(subject, self.clock.monotonic() / 1000)


def describe(error: Exception) -> str:
    if isinstance(error, CommitUndecided):
        return str(error)
    return "Kafka does not answer" if isinstance(error, TimeoutError) else unreadable.describe(error)
