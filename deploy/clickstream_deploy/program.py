"""What setup.sh and cleanup.sh share: their start and their end."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from clickstream_deploy.api import Api, check_answers, connect
from clickstream_deploy.app_release import PARTICULAR, AppRelease, Processor
from clickstream_deploy.apps import APPS, ARCHIVE, MONITORING_APP, SCENARIOS, STATISTICS
from clickstream_deploy.archive import Archive, ArchiveJobs
from clickstream_deploy.build import Images
from clickstream_deploy.cluster import Cluster
from clickstream_deploy.component import Component
from clickstream_deploy.errors import ApiError, EndedError
from clickstream_deploy.kafka import KafkaCluster
from clickstream_deploy.namespaces import Namespace
from clickstream_deploy.nodes import Nodes
from clickstream_deploy.options import Options
from clickstream_deploy.programs import Programs, check_programs
from clickstream_deploy.progress import Clock, Progress
from clickstream_deploy.scenarios import Scenarios, Statistics
from clickstream_deploy.session import Session
from clickstream_deploy.stores import Stores
from clickstream_deploy.strimzi import Strimzi
from clickstream_deploy.topics import Topics
from clickstream_deploy.users import Users


@dataclass(frozen=True)
class World:
    """What the programs touch, and tests replace."""

    connect: Callable[[Programs], Api] = connect
    programs: Programs = field(default_factory=Programs)
    clock: Clock = field(default_factory=Clock)
    out: TextIO = sys.stdout
    err: TextIO = sys.stderr


@dataclass(frozen=True)
class Program:
    """One of the two: its name, what is said first, its steps, and what is said when it ends early."""

    name: str
    first: str
    steps: Callable[[Session], None]
    interrupted: str
    failed: str


def components(session: Session) -> list[Component]:
    """Return the components in the order of installation; cleanup.sh removes in reverse, which Strimzi's finalizers
    need: Connect before users and topics, these before Kafka, and Kafka before Strimzi's operator."""
    strimzi, images = Strimzi(session), Images(session)
    nodes = Nodes(session, images)
    kafka = KafkaCluster(session, strimzi)
    # The monitoring is last: the upgrade of an older processor removes the dashboard that was in it.
    wanted = (*APPS, MONITORING_APP)
    apps = {app.release: PARTICULAR.get(app.release, AppRelease)(session, kafka, nodes, app) for app in wanted}
    (processor,) = [each for each in apps.values() if isinstance(each, Processor)]
    archive = Archive(session, kafka, nodes)
    apps[ARCHIVE] = ArchiveJobs(archive, processor, kafka, nodes, apps[ARCHIVE].app)
    stores = Stores(session)
    apps[SCENARIOS] = Scenarios(stores, kafka, nodes, apps[SCENARIOS].app)
    apps[STATISTICS] = Statistics(stores, archive, kafka, nodes, apps[STATISTICS].app)
    return [
        images,
        Namespace(session),
        strimzi,
        kafka,
        nodes,
        Topics(session, kafka, processor),
        Users(session, kafka),
        archive,
        stores,
        *apps.values(),
    ]


def run(program: Program, options: Options, world: World) -> int:
    """Run it and return its exit status."""
    progress = Progress(world.clock, world.out)

    def ended(text: str, explanation: str = "") -> None:
        progress.clear()
        if explanation:
            print(f"\n{explanation}\n", file=world.err)
        print(f"{program.name}: {text}", file=world.err, flush=True)

    try:
        with tempfile.TemporaryDirectory() as work:
            progress.say(program.first)
            check_programs(world.programs)
            api = world.connect(world.programs)
            version = check_answers(api)
            of_context = f"context {api.context}, " if api.context else ""
            progress.say(f"Cluster: {of_context}{api.server}")
            cluster = Cluster(api, options.namespace)
            program.steps(Session(options, cluster, world.programs, progress, world.clock, Path(work), version))
        return 0
    except EndedError as error:
        ended(str(error), error.explanation)
        return error.status
    except ApiError as error:
        ended(f"a request failed after {world.clock.elapsed():.0f}s: {error}. {program.failed}")
        return 1
    except KeyboardInterrupt:
        print(file=world.err)
        ended(f"interrupted after {world.clock.elapsed():.0f}s{program.interrupted}")
        return 130
