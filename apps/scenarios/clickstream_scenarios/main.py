"""The stream: two kstreams streams, of the access logs and of the events, that give each request its result.

From top to bottom: settings, where rules and members come from, the engine with its streams and their function, and
running until a signal. `clickstream_kafka.engine` says which parts are kstreams' and which are not.
"""

import logging
import sys
from asyncio import Event
from functools import partial
from importlib import import_module

import uvloop

from clickstream_core.build_info import publish_build_info
from clickstream_core.errors import SettingsError
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
from clickstream_scenarios import instruments
from clickstream_scenarios.files import Folder
from clickstream_scenarios.requests import read_access_log, read_event
from clickstream_scenarios.settings import APP, ScenariosSettings
from clickstream_scenarios.sources import Members, Rules
from clickstream_scenarios.store import open_sources
from clickstream_scenarios.task import CompiledRules, RequestsTask

COMMANDS = ("members", "migrate", "seed")
_CLOCK_SKEW_MS = 60_000  # beyond it the log says that this machine's clock is off

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the stream until SIGTERM or SIGINT, or one of the commands."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        run(lambda: import_module(f"clickstream_scenarios.{sys.argv[1]}").main(sys.argv[2:]))
    apply_to_aiokafka(instruments.KAFKA.count_unreadable, give_up_silent_brokers=True)
    run(_main)


def _main() -> int:
    settings = read_settings(
        ScenariosSettings,
        prog=APP,
        description="Applies scenarios to the requests of clickstream-access-logs, and of events with a scenario_id:"
        " one result each on clickstream-scenario-results. Other commands: clickstream-scenarios migrate,"
        " clickstream-scenarios members import FILE.csv, clickstream-scenarios seed.",
    )
    rules, members = sources(settings)
    configure_logs(settings.service.log_level, settings.service.log_format, APP)
    publish_build_info("scenarios")
    health = Health()
    with health_server(settings.service.http_port, health, listen=settings.service):
        try:
            keep_freed_memory()
            collect_garbage_rarely()
            return uvloop.run(serve(partial(_process, settings, rules, members, health)))
        except FatalError as error:
            print_error(str(error), APP, __name__, as_json=settings.service.log_format == "json")
            return 1


def sources(settings: ScenariosSettings) -> tuple[Rules, Members]:
    """Return where scenarios and members come from. Raises SettingsError."""
    if settings.scenarios_folder is not None:
        folder = Folder(settings.scenarios_folder)
        return folder, folder
    if settings.store.database.url is None:
        raise SettingsError("DATABASE_URL is not set: expected the database, or SCENARIOS_FOLDER instead")
    return open_sources(settings.store)


async def judge(task: RequestsTask, batches: Batches) -> None:
    """Give each of the next requests of one partition its result."""
    for records in batches:
        await task.judge(records)
        if task.is_full():
            break
    await task.advance()


async def _process(settings: ScenariosSettings, rules: Rules, members: Members, health: Health, stopping: Event) -> int:
    topics, kafka = settings.topics, settings.kafka.aiokafka_config()
    announce("🎯 Starting Clickstream Scenarios")
    announce(f"📥 Sources: {topics.access_logs_topic}, {topics.events_topic}")
    announce(f"📤 Sink: {topics.scenario_results_topic}\n")
    clock = BrokersClock(max_clock_skew=_CLOCK_SKEW_MS, show_offset=instruments.KAFKA.clock_offset_seconds.set)
    engine = create_engine(APP, kafka)
    compiled = CompiledRules(rules)

    @engine.on_startup
    async def prepare() -> None:
        await rules.start()
        await members.start()
        admin = await connect(kafka, health)
        engine.after_stop(admin.close)
        announce(f"✓ Connected to Kafka: {list(settings.kafka.bootstrap_servers)}")
        names = (
            topics.access_logs_topic,
            topics.events_topic,
            topics.scenario_results_topic,
            topics.dead_letter_topic,
        )
        await wait_for_topics(admin, names, health)
        replica = Replica(kafka, admin, clock, instruments.KAFKA, TaskSettings(settings.commit_interval))
        tasks = partial(RequestsTask, settings=settings, rules=compiled, members=members)
        for topic, read_record, stage in (
            (topics.access_logs_topic, read_access_log, "access_logs"),
            (topics.events_topic, read_event, "events"),
        ):
            of_topic = partial(tasks, read_record=read_record)
            engine.add_stream(PartitionStream(topic, settings.group_of(topic), judge, of_topic, replica, stage=stage))

    @engine.on_stop
    def refuse_readiness() -> None:
        health.set_ready(False, "shutting down")

    try:
        await unless(stopping, engine.start())
        await watch(engine, health, clock, stopping)
    finally:
        await engine.stop()
        await members.close()
        await rules.close()
    return 0


if __name__ == "__main__":
    main()
