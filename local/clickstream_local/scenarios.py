"""What `--scenarios` starts: Valkey, the tables with a first content, and the parts that are `kept` (parts.py).

All of it is started again when it ends. The database is a file of SQLite. The numbers on the page are counted from the
results in this Kafka, and so are the files of results: those of another Kafka are set aside.
"""

import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from clickstream_kafka.settings import KafkaSettings
from clickstream_local.children import Child
from clickstream_local.errors import ScenariosFailed
from clickstream_local.interruption import StopSignals
from clickstream_local.jars import SPARK, fetched
from clickstream_local.kept import Kept
from clickstream_local.parts import http_addresses, results_folder, scenario_stores, scenarios_folder
from clickstream_local.pipeline import app_commands, start
from clickstream_local.rest import status_of
from clickstream_local.screen import Screen
from clickstream_local.settings import LocalSettings
from clickstream_local.sink_offsets import cluster_id_of
from clickstream_local.valkey import Valkey, find_server

_POLL_S = 0.05
_STOP_S = 5.0
_STREAM, _ADMIN, _GENERATOR = "scenarios", "scenarios-admin", "generator"


def check_installed(settings: LocalSettings) -> None:
    """Raise ScenariosFailed if the options include the scenarios and they are not installed."""
    if not settings.scenarios:
        return
    for app in ("scenarios", "statistics"):
        if importlib.util.find_spec(f"clickstream_{app}") is None:
            raise ScenariosFailed(f"the app {app} is not installed, which --scenarios needs: run make venv-{app}")
    find_server()


@contextmanager
def running_scenarios(
    settings: LocalSettings,
    environ: Mapping[str, str],
    kafka: KafkaSettings,
    logs: Path,
    screen: Screen,
    signals: StopSignals,
) -> Iterator[Callable[[], None]]:
    """Run them if they are wanted; yields what is to be called again and again: it starts again what has ended."""
    if not settings.scenarios:
        yield lambda: None
        return
    started: list[Kept] = []
    try:
        with signals.interrupting():
            folder = scenarios_folder(settings)
            folder.mkdir(exist_ok=True)
            fetch_jars(settings, screen)
            if old := set_aside(settings, cluster_id_of(kafka.kafka_python_config())):
                screen.line(f"✗ The scenarios' results so far are of another Kafka or folder, and are in {old} now")
            server = Valkey(folder, executable=find_server(), port=settings.redis_port, log=logs / "valkey.log")
            screen.progress("Preparing the scenarios")
            since = time.monotonic()
            store = Kept(server.launch, server.ready, screen.line)
            started.append(store)
            store.start()
            addresses = http_addresses(settings)
            for command in app_commands(settings, environ, kept=True):
                if command.name == _STREAM:
                    prepare_database(settings, environ, logs)  # while Spark starts, which needs none
                launch, ready = partial(start, command, logs), partial(_is_ready, addresses[command.name])
                app = Kept(launch, ready, screen.line, may_end=command.name == _GENERATOR)
                started.append(app)
                if command.name == _ADMIN:
                    app.start()
                else:
                    app.begin()
            screen.line(f"✓ Scenarios, ready in {time.monotonic() - since:.1f} s")

        def tend() -> None:
            for each in started:
                each.tend()

        yield tend
    finally:
        for each in reversed(started):
            screen.progress("Stopping the scenarios")
            each.stop()


def fetch_jars(settings: LocalSettings, screen: Screen) -> None:
    """Download what Spark needs beside PySpark, once. Raises JarsUnavailable."""
    directory = settings.directory / "spark"
    if not SPARK.folder(directory).is_dir():
        screen.line(f"Downloading {SPARK.title}, once: {SPARK.megabytes} MB")
    fetched(SPARK, directory, screen.progress)


def set_aside(settings: LocalSettings, cluster_id: str) -> Path | None:
    """Move the results and numbers of another Kafka away; return where the results are then, None if there were none.

    Offsets of one Kafka mean nothing in another. Nor does the job go on in a folder that was moved.
    """
    folder, results = scenarios_folder(settings), results_folder(settings)
    note, origin = folder / "origin", f"{cluster_id}\n{results}"
    before = note.read_text(encoding="utf-8") if note.exists() else origin
    moved = None
    if before != origin:
        for server in folder.glob("*-server"):
            shutil.rmtree(server)
        if results.exists():
            moved = results.with_name(f"results-of-{before.splitlines()[0]}")
            shutil.rmtree(moved, ignore_errors=True)
            results.rename(moved)
    note.write_text(origin, encoding="utf-8")
    return moved


def prepare_database(settings: LocalSettings, environ: Mapping[str, str], logs: Path) -> None:
    """Make the tables or bring them up to date, and fill an empty database. Raises ScenariosFailed."""
    shared = {**environ, **scenario_stores(settings), "USERS": str(settings.users)}
    for name in ("migrate", "seed"):
        command = [sys.executable, "-m", "clickstream_scenarios.main", name]
        child = Child(f"clickstream-scenarios {name}", command, log=logs / "scenarios-database.log", environ=shared)
        try:
            while child.running:
                time.sleep(_POLL_S)
        except BaseException:
            child.stop(_STOP_S)
            raise
        if child.exit_status:
            raise ScenariosFailed(f"{child.name} failed ({child.describe_end()}):\n{child.last_lines()}")


def _is_ready(address: str) -> bool:
    return status_of(f"http://{address}/readyz") == 200
