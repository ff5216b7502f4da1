"""The engine that runs an app's streams: what is taken from kstreams, what is replaced, and why.

kstreams is the framework. Taken from it:

- the engine (`StreamEngine`): it owns the streams, starts each in an asyncio task and stops them in order;
- its lifecycle hooks: an app connects in `on_startup`, where it may also add its streams, and closes in `after_stop`;
- the backend (`Kafka`): the connection settings, from which each stream's consumer is made;
- `Stream`, with its topic, its function, its consumer class and its rebalance listener (`partition_stream`).

A stream has the shape that kstreams documents: a topic and an async function. Three parts are replaced:

- The function is called with a task and a batch (`async def process(task, batches)`), not with one record. kstreams
  passes each record through its middleware, which costs more than counting it does; a batch handler is asked for in
  kstreams #309. And state belongs to a partition: the task holds it, restores it and commits it (`tasks`).
- The producer: the engine starts one for all streams, without transactions. Exactly-once output needs a transactional
  producer for each partition (`transactions`), so the engine gets one that does nothing.
- The monitor: it requests committed offsets from the brokers every 3 s for its metrics. The apps keep their own
  (`instruments`), so the engine gets one that does nothing.
"""

import asyncio
from typing import Any

import kstreams
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError
from kstreams.backends.kafka import Kafka

from clickstream_core.service import Health
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.errors import FatalError
from clickstream_kafka.partition_stream import PartitionStream
from clickstream_kafka.running import retrieve_exception

MAX_TURN_MS = 60_000
"""The process no longer counts as alive when some partition's loop has not made a turn for so long."""

_WATCH_INTERVAL_MS = 500


class _NoMonitor(kstreams.PrometheusMonitor):
    async def start(self) -> None:
        self.running = True


class _NoProducer:
    def __init__(self, **config: object) -> None:
        """Take the engine's settings."""

    async def start(self) -> None:
        """Connect to nothing: the engine starts while Kafka is away, too."""

    async def flush(self) -> None:
        """There is nothing to wait for."""

    async def stop(self) -> None:
        """There is nothing to close."""


def create_engine(title: str, kafka: dict[str, Any]) -> kstreams.StreamEngine:
    """Return an engine without streams; `kafka` are the keyword arguments of aiokafka's clients."""
    backend = Kafka(**kafka)
    if "sasl_plain_password" in kafka:
        backend.sasl_plain_password = kafka["sasl_plain_password"]  # pydantic's copy would not read the file again
    return kstreams.create_engine(
        title=title,
        backend=backend,
        producer_class=_NoProducer,  # type: ignore[arg-type]
        monitor=_NoMonitor(),
    )


async def watch(engine: kstreams.StreamEngine, health: Health, clock: BrokersClock, stopping: asyncio.Event) -> None:
    """Keep health and readiness true to the engine's streams until `stopping` is set.

    Raises FatalError, and what else ended a stream.
    """
    streams = {each: task for each, task in engine.streams_to_tasks.items() if isinstance(each, PartitionStream)}
    for running in streams.values():
        running.add_done_callback(retrieve_exception)
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            now = clock.monotonic()
            if all(now - task.last_turn < MAX_TURN_MS for stream in streams for task in stream.tasks.values()):
                health.beat()
            why = "; ".join(filter(None, (stream.waits_for() for stream in streams)))
            health.set_ready(not why, why)
            done, _ = await asyncio.wait(
                (stopped, *streams.values()), timeout=_WATCH_INTERVAL_MS / 1000, return_when=asyncio.FIRST_COMPLETED
            )
            for ended in done - {stopped}:
                try:
                    ended.result()
                except GroupAuthorizationFailedError as error:
                    groups = " and ".join(stream.config["group_id"] for stream in streams)
                    raise FatalError(
                        f"Kafka does not let this user into its consumer groups: it needs Read on the groups {groups}"
                    ) from error
                except KafkaError as error:
                    raise FatalError(f"a stream ended: {error!r}") from error
    finally:
        stopped.cancel()
