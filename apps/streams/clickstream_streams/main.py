"""The processor: two kstreams streams, of which the first counts events in windows and the second merges the counts.

From top to bottom: settings, the engine with its two streams and their functions, and running until a signal.
`clickstream_kafka.engine` says which parts are kstreams' and which are not.
"""

import asyncio
import logging
import sys
from functools import partial

import uvloop

from clickstream_core.build_info import publish_build_info
from clickstream_core.logs import announce, configure_logs, print_error
from clickstream_core.process import run
from clickstream_core.service import Health, health_server
from clickstream_core.settings import read_settings
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.connection import connect, wait_for_topics
from clickstream_kafka.engine import create_engine, watch
from clickstream_kafka.errors import FatalError
from clickstream_kafka.memory import collect_garbage_rarely, keep_freed_memory
from clickstream_kafka.partition_stream import PartitionStream
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_kafka.records import Batches
from clickstream_kafka.running import serve, unless
from clickstream_kafka.tasks import Replica, TaskSettings
from clickstream_streams import instruments
from clickstream_streams.events_stage import EventsTask
from clickstream_streams.implementations import Implementation, choose
from clickstream_streams.merge_stage import MergeTask
from clickstream_streams.report import announce_start
from clickstream_streams.reset import reset
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.topic_checks import check_topics
from clickstream_streams.worst_case import container_limit, why_it_may_not_fit

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the processor until SIGTERM or SIGINT, or the command `reset` if that is the first argument."""
    apply_to_aiokafka(instruments.KAFKA.count_unreadable, give_up_silent_brokers=True)
    run(_reset if sys.argv[1:2] == ["reset"] else _main)


def _reset() -> int:
    try:
        return reset(sys.argv[2:])
    except FatalError as error:
        print_error(str(error), "clickstream-streams reset", __name__, as_json=False)
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
    with health_server(settings.service.http_port, health, listen=settings.service):
        try:
            implementation = choose(settings.counting)
            keep_freed_memory()
            collect_garbage_rarely()
            return uvloop.run(serve(partial(_process, settings, implementation, health)))
        except FatalError as error:
            print_error(str(error), "clickstream-streams", __name__, as_json=settings.service.log_format == "json")
            return 1


async def count(task: EventsTask, batches: Batches) -> None:
    """Stage 1: count the next events of one partition in their tumbling windows, and advance its watermark."""
    for records in batches:
        task.count(records)
        if task.is_full():
            break
    await task.advance()


async def merge(task: MergeTask, batches: Batches) -> None:
    """Stage 2: merge what the partitions have counted; windows that all watermarks have passed are due."""
    for records in batches:
        task.apply(records)
    await task.advance()


async def _process(
    settings: StreamsSettings, implementation: Implementation, health: Health, stopping: asyncio.Event
) -> int:
    topics, kafka = settings.topics, settings.kafka.aiokafka_config()
    announce_start(topics.events_topic, topics.metrics_topic, settings.window_size)
    instruments.COUNTING.labels(implementation.name).set(1)
    _log.info("Events are counted by %s (%s)", implementation.name, implementation.note)
    show_offset = instruments.KAFKA.clock_offset_seconds.set
    clock = BrokersClock(max_clock_skew=settings.max_clock_skew, show_offset=show_offset)
    engine = create_engine("clickstream-streams", kafka)

    @engine.on_startup
    async def prepare() -> None:
        admin = await connect(kafka, health)
        engine.after_stop(admin.close)
        announce(f"✓ Connected to Kafka: {list(settings.kafka.bootstrap_servers)}")
        names = (topics.events_topic, topics.metrics_topic, topics.partials_topic, topics.dead_letter_topic)
        partitions = await wait_for_topics(admin, names, health)
        await check_topics(admin, settings, partitions)
        _warn_of_memory(settings, partitions[topics.events_topic])
        replica = Replica(kafka, admin, clock, instruments.KAFKA, TaskSettings(settings.commit_interval))
        counters = partial(EventsTask, settings=settings, make_counting=implementation.make_counting)
        mergers = partial(MergeTask, settings=settings)
        events = PartitionStream(
            topics.events_topic,
            settings.group_id,
            count,
            counters,
            replica,
            stage="events",
            unpack=implementation.unpack,
        )
        merged = PartitionStream(topics.partials_topic, settings.merge_group_id, merge, mergers, replica, stage="merge")
        engine.add_stream(events)
        engine.add_stream(merged)

    @engine.on_stop
    def refuse_readiness() -> None:
        health.set_ready(False, "shutting down")

    try:
        await unless(stopping, engine.start())
        await watch(engine, health, clock, stopping)
    finally:
        await engine.stop()
    return 0


def _warn_of_memory(settings: StreamsSettings, partitions: int) -> None:
    why = why_it_may_not_fit(settings.times, settings.exact_limit, partitions, container_limit())
    if why:
        _log.warning("memory: %s", why)


if __name__ == "__main__":
    main()
