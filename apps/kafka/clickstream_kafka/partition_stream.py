"""The kstreams stream that owns the tasks of a topic's assigned partitions.

kstreams starts it, stops it and gives it its consumer's configuration. It joins the group, makes a `PartitionTask` for
each partition that is assigned, and runs the task with the stream's function: `async def process(task, batches)`, which
is called each turn with the next records of the task's partition. The group's protocol is eager: a rebalance revokes
all partitions and assigns them again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from kstreams import RebalanceListener, Stream

from clickstream_kafka.batches import BatchConsumer, Unpack
from clickstream_kafka.connection import start_client
from clickstream_kafka.errors import FatalError
from clickstream_kafka.records import Batches
from clickstream_kafka.tasks import PartitionTask, Replica, describe

_NO_POLL_LIMIT_MS = 2**31 - 1
"""aiokafka leaves the group when nothing is fetched for this time. A replica without a partition fetches nothing, and
must stay to take one over; `engine.MAX_TURN_MS` detects a loop that hangs."""

_LAST_COMMIT_TIMEOUT_MS = 3_000
_CANCEL_TIMEOUT_MS = 1_000
_LEAVE_TIMEOUT_MS = 1_000
_NO_COORDINATOR_MS = 10_000  # a group finds the successor of one that died sooner

_log = logging.getLogger(__name__)
Task = TypeVar("Task", bound=PartitionTask)


class PartitionStream(Stream, Generic[Task]):
    """A stream whose function is called with the batches of one partition and the task that owns it.

    `make_task` makes the task of a partition; `stage` is the stream's name in metrics; `unpack` makes the records of a
    batch instead of aiokafka. `start` returns when the stream
    was stopped, and raises what a task raised that no retry can help.
    """

    def __init__(
        self,
        topic: str,
        group_id: str,
        func: Callable[[Task, Batches], Awaitable[None]],
        make_task: Callable[[TopicPartition, BatchConsumer, Replica], Task],
        replica: Replica,
        *,
        stage: str,
        unpack: Unpack | None = None,
        join_pause_s: float = 1.0,
    ) -> None:
        config = {
            "group_id": group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "partition_assignment_strategy": (_assignor(),),
            "metadata_max_age_ms": 5_000,
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 3_000,
            "max_poll_interval_ms": _NO_POLL_LIMIT_MS,
            "key_deserializer": _unchanged,
            "instruments": replica.instruments,
            "unpack": unpack,
        }
        super().__init__(
            topic,
            func=func,
            name=topic,
            config=config,
            consumer_class=BatchConsumer,
            rebalance_listener=_Assignment(self.release, self.take),
        )
        self.tasks: dict[TopicPartition, Task] = {}
        self.assigned = False
        self._process = func  # the engine replaces self.func by its middleware for single records
        self._make_task = make_task
        self._replica = replica
        self._rebalances = replica.instruments.rebalances.labels(stage)
        self._join_pause_s = join_pause_s
        self._running: dict[TopicPartition, asyncio.Task[None]] = {}
        self._trouble = ""
        self._coordinated_at = replica.clock.monotonic()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        """Join the group, once Kafka is there, and work until stopped."""
        self.running = True
        while self.running:
            if await self._join():
                break
            await asyncio.sleep(self._join_pause_s)
        await self._ended

    async def stop(self) -> None:
        """Finish the tasks' turns, commit, and leave the group."""
        if not self.running:
            return
        self.running = False
        await self.release()
        consumer, self.consumer = self.consumer, None
        if consumer is not None:
            await _leave(consumer.stop())
        if not self._ended.done():
            self._ended.set_result(None)

    async def _join(self) -> bool:
        """Start a consumer; return False when it should be tried again."""
        self.subscribe()
        consumer = self.consumer
        assert consumer is not None, "subscribe() creates the consumer"
        try:
            await start_client(consumer)
        except KafkaError as error:
            if not error.retriable:
                raise
            self._trouble = describe(error)
            _log.warning("%s: cannot join the group yet: %s", self.name, self._trouble)
            self.consumer = None
            await _leave(consumer.stop())
            return False
        self._trouble = ""
        return True

    def waits_for(self) -> str:
        """Return what it waits for until partitions, perhaps none, are assigned and all restored; "" when ready."""
        if self.assigned and all(task.ready for task in self.tasks.values()):
            if self._has_lost_coordinator():
                return f"{self.name}: Kafka is away: the coordinator of the group does not answer"
            return "" if self.tasks or self._topic_exists() else f"topic {self.name} does not exist any more"
        unready = sorted((each for each in self.tasks.values() if not each.ready), key=lambda task: not task.trouble)
        reasons = [f"partition {task.partition.partition}: {task.waits_for()}" for task in unready if task.waits_for()]
        trouble = next(iter(reasons), self._trouble)
        return f"{self.name}: waiting for assignment, restore or Kafka" + (f" ({trouble})" if trouble else "")

    def _has_lost_coordinator(self) -> bool:
        """Whether aiokafka has looked for the coordinator for a while: heartbeats miss it also without a commit."""
        now = self._replica.clock.monotonic()
        if self.consumer is None or self.consumer._coordinator.coordinator_id is not None:
            self._coordinated_at = now
        return now - self._coordinated_at > _NO_COORDINATOR_MS

    def _topic_exists(self) -> bool:
        return self.consumer is None or bool(self.consumer.partitions_for_topic(self.name))

    def take(self, partitions: set[TopicPartition]) -> None:
        """Start the tasks of the partitions; one that was here before keeps its memory."""
        if not self.running:
            return  # the group assigned partitions while the stream was being stopped
        assert isinstance(self.consumer, BatchConsumer), "the stream was made with this class"
        kept = {partition: task for partition, task in self.tasks.items() if partition in partitions}
        for partition in self.tasks.keys() - kept.keys():
            self.tasks[partition].clear_metrics()
        consumer, replica = self.consumer, self._replica
        self.tasks = {p: kept.get(p) or self._make_task(p, consumer, replica) for p in sorted(partitions)}
        for partition, task in self.tasks.items():
            running = self._running[partition] = task.start(partial(self._process, task))
            running.add_done_callback(self._task_ended)
        self.assigned = True
        self._rebalances.inc()

    async def release(self) -> None:
        """Stop the tasks; one whose last commit takes too long is cancelled, its events will be replayed."""
        self.assigned = False
        for task in self.tasks.values():
            task.stop()
        running, self._running = list(self._running.values()), {}
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=_LAST_COMMIT_TIMEOUT_MS / 1000)
        for future in late:
            future.cancel()
        if late:
            await asyncio.wait(late, timeout=_CANCEL_TIMEOUT_MS / 1000)
            for task in self.tasks.values():
                task.clear_metrics()
            self.tasks = {}

    def _task_ended(self, running: "asyncio.Task[None]") -> None:
        error = None if running.cancelled() else running.exception()
        if error is None or self._ended.done():
            return
        if not isinstance(error, FatalError):
            _log.critical("%s ended with an unexpected error", running.get_name(), exc_info=error)
        self._ended.set_exception(error)


def _assignor() -> type[StickyPartitionAssignor]:
    """Return a class of its own for each group: aiokafka keeps an assignor's memory in its class."""

    class GroupAssignor(StickyPartitionAssignor):  # type: ignore[misc]
        pass

    return GroupAssignor


def _unchanged(key: bytes | None) -> bytes | None:
    return key


async def _leave(leaving: Coroutine[Any, Any, None]) -> None:
    """Wait a moment until aiokafka has left the group; Kafka may be away, and aiokafka cancels tasks of its own."""
    left = asyncio.create_task(leaving)
    await asyncio.wait((left,), timeout=_LEAVE_TIMEOUT_MS / 1000)
    if left.done() and not left.cancelled() and left.exception() is not None:
        _log.debug("could not leave the group: %r", left.exception())


class _Assignment(RebalanceListener):
    def __init__(self, release: Callable[[], Awaitable[None]], take: Callable[[set[TopicPartition]], None]) -> None:
        super().__init__()
        self._release = release
        self._take = take

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._release()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._take(assigned)
