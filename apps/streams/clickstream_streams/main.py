"""The processor's entry point: settings, Kafka, the two stages on a kstreams engine, shutdown."""

import asyncio
import gc
import logging
import os
import signal
import sys
from functools import partial
from typing import Any

import kstreams
import uvloop
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError
from kstreams.backends.kafka import Kafka

from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, complain, configure_logs, give_up_output
from clickstream_core.process import run
from clickstream_core.service import Health, HealthServer
from clickstream_core.settings import read_settings
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.connection import connect, wait_for_topics
from clickstream_kafka.memory import keep_freed_memory
from clickstream_kafka.patches.aiokafka_closing import end_closed_connections
from clickstream_kafka.patches.aiokafka_compression import compress_fast
from clickstream_kafka.patches.aiokafka_connections import report_closed_transports
from clickstream_kafka.patches.silent_brokers import give_up_silent_brokers
from clickstream_kafka.tasks import MakeTask, PartitionStream, Replica
from clickstream_kafka.transactions import is_known
from clickstream_streams import instruments
from clickstream_streams.errors import FatalError
from clickstream_streams.events_stage import EventsTask
from clickstream_streams.merge_stage import MergeTask
from clickstream_streams.report import announce_start
from clickstream_streams.reset import reset
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.topic_checks import check_topics
from clickstream_streams.worst_case import container_limit, why_it_may_not_fit

LONGEST_TURN = 60_000
"""Milliseconds without a turn of some partition's loop after which the process no longer counts as alive."""

_GARBAGE_THRESHOLD = 200_000
"""Allocations between collections: a batch makes thousands of objects, none of them in a cycle."""

_NEVER = 2**31 - 1
"""Milliseconds without a fetch after which aiokafka leaves the group. A replica that has no partition fetches nothing,
and must be there when it is to take one over; a loop that hangs is what LONGEST_TURN is for."""

_LONGEST_SHUTDOWN = 8.5
_WATCH_INTERVAL = 0.5

_log = logging.getLogger(__name__)


class EventsAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """aiokafka keeps an assignor's memory in its class, so each group needs a class of its own."""


class MergeAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """As EventsAssignor, for the group of stage 2."""


class _NoMonitor(kstreams.PrometheusMonitor):
    """kstreams' monitor asks the brokers for commits every 3 s; our own metrics need no such questions."""

    async def start(self) -> None:
        self.running = True


class _NoProducer:
    """Instead of the engine's producer, which nobody uses here: partitions have transactional ones of their own."""

    def __init__(self, **config: object) -> None:
        """Take the engine's settings."""

    async def start(self) -> None:
        """Connect to nothing, so that a Kafka that is away does not end the start."""

    async def flush(self) -> None:
        """Wait for nothing."""

    async def stop(self) -> None:
        """Close nothing."""


def main() -> None:
    """Run the processor until SIGTERM or SIGINT, or with `reset` as first argument the command of that name."""
    run(_reset if sys.argv[1:2] == ["reset"] else _main)


def _reset() -> int:
    try:
        return reset(sys.argv[2:])
    except FatalError as error:
        complain(str(error), "clickstream-streams reset", __name__, as_json=False)
        return 1


def _main() -> int:
    settings = read_settings(
        StreamsSettings,
        prog="clickstream-streams",
        description="Turns clickstream-events into one exact result per window on clickstream-metrics."
        " `clickstream-streams reset --help` is about counting again.",
    )
    configure_logs(settings.service.log_level, settings.service.log_format, "clickstream-streams")
    publish_build_info("streams")
    instruments.WINDOW_SIZE_SECONDS.set(settings.window_size / 1000)
    instruments.MAX_CLOCK_SKEW_SECONDS.set(settings.max_clock_skew / 1000)
    health = Health()
    with HealthServer(settings.service.http_port, health, listen=settings.service):
        try:
            report_closed_transports()
            end_closed_connections()
            compress_fast()
            give_up_silent_brokers()
            keep_freed_memory()
            gc.freeze()
            gc.set_threshold(_GARBAGE_THRESHOLD)
            return uvloop.run(_serve(settings, health))
        except FatalError as error:
            complain(str(error), "clickstream-streams", __name__, as_json=settings.service.log_format == "json")
            return 1


async def _serve(settings: StreamsSettings, health: Health) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    announce_start(settings.topics.events_topic, settings.topics.metrics_topic, settings.window_size)
    working = asyncio.create_task(_work(settings, health, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    done, _ = await asyncio.wait((working,), timeout=_LONGEST_SHUTDOWN)
    if stopping.is_set() and (not done or working.cancelled() or working.exception() is not None):
        _log.warning("Kafka does not answer; leaves without it, the log is replayed at the next start")
        _leave(0)
    return working.result()


def _leave(status: int) -> None:
    """End the process now: libraries that wait for an absent Kafka could hold it for minutes."""
    give_up_output()
    logging.shutdown()
    os._exit(status)


async def _work(settings: StreamsSettings, health: Health, stopping: asyncio.Event) -> int:
    kafka = settings.kafka.aiokafka_config()
    admin = await _unless(stopping, connect(kafka, health))
    if admin is None:
        return 0
    try:
        announce(f"✓ Connected to Kafka: {list(settings.kafka.bootstrap_servers)}")
        if await _unless(stopping, _prepared(admin, settings, health)) is None:
            return 0
        engine = _engine(kafka)
        clock = BrokersClock(max_clock_skew=settings.max_clock_skew)
        replica = Replica(settings, kafka, admin, clock)
        make_events, make_merge = partial(EventsTask, replica=replica), partial(MergeTask, replica=replica)
        topics = settings.topics
        events = _stream("events", topics.events_topic, settings.group_id, make_events, EventsAssignor)
        merge = _stream("merge", topics.partials_topic, settings.merge_group_id, make_merge, MergeAssignor)
        engine.add_stream(events)
        engine.add_stream(merge)
        await engine.start()
        try:
            await _watch(engine, (events, merge), health, clock, stopping)
        finally:
            health.set_ready(False, "shutting down")
            await engine.stop()
        return 0
    finally:
        await admin.close()


async def _unless(stopping: asyncio.Event, work: Any) -> Any:
    """Return what `work` returns, or None when the processor is to stop first."""
    working, stopped = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if working.done():
        return working.result()
    working.cancel()
    return None


async def _prepared(admin: Any, settings: StreamsSettings, health: Health) -> bool:
    partitions = await wait_for_topics(admin, settings, health)
    await check_topics(admin, settings)
    why = why_it_may_not_fit(settings.times, settings.exact_limit, partitions, container_limit())
    if why:
        _log.warning("memory: %s", why)
    return True


def _engine(kafka: dict[str, Any]) -> kstreams.StreamEngine:
    backend = Kafka(**kafka)
    if "sasl_plain_password" in kafka:
        backend.sasl_plain_password = kafka["sasl_plain_password"]  # pydantic's copy would not read the file again
    return kstreams.create_engine(
        title="clickstream-streams",
        backend=backend,
        producer_class=_NoProducer,  # type: ignore[arg-type]
        monitor=_NoMonitor(),
    )


def _stream(
    stage: str, topic: str, group_id: str, make_task: MakeTask, assignor: type[StickyPartitionAssignor]
) -> PartitionStream:
    config = {
        "group_id": group_id,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "partition_assignment_strategy": (assignor,),
        "metadata_max_age_ms": 5_000,
        "session_timeout_ms": 10_000,
        "heartbeat_interval_ms": 3_000,
        "max_poll_interval_ms": _NEVER,
        "key_deserializer": _as_it_is,
    }
    return PartitionStream(topic, stage=stage, make_task=make_task, config=config)


def _as_it_is(key: bytes | None) -> bytes | None:
    return key


async def _watch(
    engine: kstreams.StreamEngine,
    streams: tuple[PartitionStream, ...],
    health: Health,
    clock: BrokersClock,
    stopping: asyncio.Event,
) -> None:
    """Keep health and readiness true to the tasks until told to stop; raise what ended a stream."""
    running = list(engine.streams_to_tasks.values())
    for task in running:
        task.add_done_callback(is_known)
    stopped = asyncio.create_task(stopping.wait())
    try:
        while not stopping.is_set():
            if all(clock.monotonic() - task.last_turn < LONGEST_TURN for s in streams for task in s.tasks.values()):
                health.beat()
            why = "; ".join(filter(None, (s.waits_for() for s in streams)))
            health.set_ready(not why, why)
            done, _ = await asyncio.wait(
                (stopped, *running), timeout=_WATCH_INTERVAL, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stopped}:
                try:
                    task.result()
                except GroupAuthorizationFailedError as error:
                    groups = " and ".join(stream.config["group_id"] for stream in streams)
                    raise FatalError(
                        f"Kafka does not let this user into its consumer groups: it needs Read on the groups {groups}"
                    ) from error
                except KafkaError as error:
                    raise FatalError(f"a stream ended: {error!r}") from error
    finally:
        stopped.cancel()


if __name__ == "__main__":
    main()
