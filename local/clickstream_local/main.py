"""`./setup.sh --local`: the whole pipeline on this machine.

In the order of the code: settings, the folder's lock, free ports, Kafka (the embedded one, or the one that
KAFKA_BOOTSTRAP_SERVERS names), topics, Prometheus with --monitoring, the archive and the scenarios, the apps. All of it
is watched, and stopped at the end.
"""

import ipaddress
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clickstream_core.durations import describe_duration, format_duration
from clickstream_core.errors import SettingsError
from clickstream_core.processor_times import ProcessorTimes
from clickstream_core.settings import read_settings
from clickstream_kafka.patches import apply_to_kafka_python
from clickstream_kafka.settings import KafkaSettings, TopicSettings
from clickstream_local.archive import running_archive, wanted_archive
from clickstream_local.broker import Broker
from clickstream_local.children import Child
from clickstream_local.errors import LocalError
from clickstream_local.folder import locked, prepare_folder
from clickstream_local.interruption import Interrupted, StopSignals
from clickstream_local.jars import KAFKA_VERSION, kafka_jars
from clickstream_local.java import find_java
from clickstream_local.parts import http_addresses, http_ports, pages, public_ports
from clickstream_local.pipeline import AppCommand, app_commands, start, stop_apps, watch
from clickstream_local.ports import describe_holder, is_free
from clickstream_local.prometheus import ALERTS, Prometheus, find_prometheus, rule_file
from clickstream_local.scenarios import check_installed, running_scenarios
from clickstream_local.screen import Screen
from clickstream_local.settings import (
    LocalSettings,
    ScenarioTopicSettings,
    refuse_foreign_address,
    refuse_fresh_elsewhere,
)
from clickstream_local.topics import (
    clickstream_topics,
    create_missing,
    keep_long_enough,
    risk_of_timestamps,
    scenario_topics,
)

_PROGRAM = "./setup.sh --local"
Commands = Callable[[LocalSettings, Mapping[str, str]], list[AppCommand]]


def main(commands: Commands = app_commands) -> int:
    """Run until Ctrl+C, SIGTERM or SIGHUP (exit status 0), a failure (1) or an invalid setting (2)."""
    screen = Screen()
    apply_to_kafka_python()
    try:
        settings = read_settings(
            LocalSettings,
            prog=_PROGRAM,
            description="Runs simulated users, Apache Kafka, the stream processor and the dashboard on this machine.",
        )
        with StopSignals() as signals:
            try:
                launch(settings, os.environ, screen, signals, commands)
            except Interrupted:
                screen.line("Stopped.")
    except SettingsError as error:
        print(f"{_PROGRAM}: {error}", file=sys.stderr)
        return 2
    except LocalError as error:
        screen.line(f"✗ {error}")
        return 1
    except OSError as error:
        if error.filename is None:
            raise
        screen.line(f"✗ {os.fsdecode(error.filename)}: {error.strerror}")
        return 1
    return 0


def launch(
    settings: LocalSettings, environ: Mapping[str, str], screen: Screen, signals: StopSignals, commands: Commands
) -> None:
    """Start, watch and stop everything. Returns when the user has stopped it; raises LocalError otherwise."""
    topics = read_settings(TopicSettings, prog=_PROGRAM, description="", argv=[], environ=environ)
    more_topics = read_settings(ScenarioTopicSettings, prog=_PROGRAM, description="", argv=[], environ=environ)
    window_size = {"WINDOW_SIZE": format_duration(settings.window_size)}
    times = read_settings(ProcessorTimes, prog=_PROGRAM, description="", argv=[], environ={**environ, **window_size})
    refuse_foreign_address(settings)
    executable = find_prometheus() if settings.monitoring else None
    archive = wanted_archive(settings, environ)
    check_installed(settings)
    embedded = not environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if embedded:
        # Settings for another Kafka (TLS, a user) would prevent the apps from connecting to this one.
        environ = {name: value for name, value in environ.items() if not name.startswith("KAFKA_")}
        environ |= {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{settings.kafka_port}"}
    else:
        refuse_fresh_elsewhere(settings, environ["KAFKA_BOOTSTRAP_SERVERS"])
    kafka = read_settings(KafkaSettings, prog=_PROGRAM, description="", argv=[], environ=environ)
    names = (topics.events_topic, topics.metrics_topic, topics.partials_topic, topics.dead_letter_topic)
    logs = prepare_folder(settings.directory)
    with locked(settings.directory):
        check_ports(settings, embedded, with_prometheus=executable is not None)
        for log in logs.glob("*.log"):
            log.unlink()  # of the last run
        with ExitStack() as stack:
            broker = stack.enter_context(_embedded_kafka(settings, logs, screen, signals)) if embedded else []
            with signals.interrupting():
                screen.progress("Creating the topics")
                wanted = clickstream_topics(*names, times=times)
                if settings.scenarios:
                    wanted += scenario_topics(more_topics.access_logs_topic, more_topics.scenario_results_topic)
                created = create_missing(kafka.kafka_python_config(), wanted)
                own = [topic.name for topic in wanted] if embedded else created
                raised = keep_long_enough(kafka.kafka_python_config(), wanted, times, own)
                risk = risk_of_timestamps(kafka.kafka_python_config(), wanted) if archive else ""
            if raised:
                screen.line(f"✓ {raised}")
            if risk:
                screen.line(f"✗ {risk}")
            prometheus = stack.enter_context(_monitoring(settings, executable, logs, screen, signals))
            archiving = running_archive(archive, settings, kafka, topics, more_topics, logs, screen, signals)
            tend_archive = stack.enter_context(archiving)
            scenarios = running_scenarios(settings, environ, kafka, logs, screen, signals)
            tend_scenarios = stack.enter_context(scenarios)

            def tend() -> None:
                tend_archive()
                tend_scenarios()

            apps: list[Child] = []
            try:
                _print_overview(settings, times, environ["KAFKA_BOOTSTRAP_SERVERS"], logs, screen)
                for command in commands(settings, environ):
                    apps.append(start(command, logs))  # noqa: PERF401 - if one fails to start, the others must be stopped
                watch([*broker, *prometheus, *apps], signals.requested, tend)
            finally:
                stop_apps(apps, screen.progress)
    screen.line("Stopped. Nothing is left running.")


def check_ports(settings: LocalSettings, embedded: bool, with_prometheus: bool = False) -> None:
    """Raise LocalError that names each needed port that is taken, and the process that holds it."""
    needed = {port: f"HTTP port of the {app}" for app, port in http_ports(settings).items() if port}
    needed |= {port: f"the {name}'s" for name, port in public_ports(settings).items()}
    flags = ["--http-port"]
    if settings.archive:
        needed[settings.connect_port] = "Kafka Connect"
        flags.insert(0, "--connect-port")
    if settings.archive and settings.archive_to is None:
        needed |= {settings.s3_port: "S3", settings.catalog_port: "the Iceberg catalog"}
        flags = ["--s3-port", "--catalog-port", *flags]
    if settings.scenarios:
        needed[settings.redis_port] = "Valkey"
        flags.insert(0, "--redis-port")
    if with_prometheus:
        needed[settings.prometheus_port] = "Prometheus"
        flags.insert(0, "--prometheus-port")
    if embedded:
        needed = {settings.kafka_port: "Kafka", **needed}
        flags.insert(0, "--kafka-port")
    taken = [
        f"port {port} ({use}) is held by {describe_holder(port)}" for port, use in needed.items() if not is_free(port)
    ]
    if not taken:
        return
    choice = " or ".join(each for each in (", ".join(flags[:-1]), flags[-1]) if each)
    hint = f"Stop it, or choose others with {choice}"
    if embedded and not is_free(settings.kafka_port):
        hint += f"; to use the Kafka on it: KAFKA_BOOTSTRAP_SERVERS=localhost:{settings.kafka_port} {_PROGRAM}"
    raise LocalError("; ".join(taken) + f". {hint}")


@contextmanager
def _embedded_kafka(settings: LocalSettings, logs: Path, screen: Screen, signals: StopSignals) -> Iterator[list[Child]]:
    """Run a broker on the folder's data; yields the list of processes to watch."""
    directory = settings.directory / "kafka"
    if settings.fresh and (directory / "data").exists():
        shutil.rmtree(directory / "data")
        gone = [name for name in ("archive", "scenarios") if (settings.directory / name).exists()]
        for name in gone:
            shutil.rmtree(settings.directory / name, ignore_errors=True)
        screen.line(f"Deleted {' and '.join(['the Kafka data', *(f'the {name}' for name in gone)])} of earlier runs")
    with signals.interrupting():
        jars = kafka_jars(directory, screen.progress)
        broker = Broker(directory, java=find_java(), jars=jars, port=settings.kafka_port, log=logs / "kafka.log")
        screen.progress(f"Starting Apache Kafka {KAFKA_VERSION}")
        started_at = time.monotonic()
        broker.start()
    try:
        seconds = time.monotonic() - started_at
        screen.line(f"✓ Apache Kafka {KAFKA_VERSION} on {broker.bootstrap_servers}, ready in {seconds:.1f} s")
        yield [broker.child]
    finally:
        screen.progress("Stopping Kafka")
        broker.stop()


@contextmanager
def _monitoring(
    settings: LocalSettings, executable: Path | None, logs: Path, screen: Screen, signals: StopSignals
) -> Iterator[list[Child]]:
    """Run Prometheus if it is wanted and installed; yields the list of processes to watch."""
    if executable is None:
        if settings.monitoring:
            screen.line(
                "✗ Prometheus is not installed: going on without it (apt install prometheus, or add it to PATH)"
            )
        yield []
        return
    directory = settings.directory / "prometheus"
    if settings.fresh and directory.exists():
        shutil.rmtree(directory)
    targets = {f"clickstream-{app}": address for app, address in http_addresses(settings).items()}
    prometheus = Prometheus(
        directory,
        executable=executable,
        port=settings.prometheus_port,
        targets=targets,
        rules=rule_file(ALERTS.read_text(encoding="utf-8")),
        log=logs / "prometheus.log",
        host=settings.http_host,
    )
    try:
        with signals.interrupting():
            screen.progress("Starting Prometheus")
            prometheus.start()
        addresses = ", ".join(targets.values())
        screen.line(f"✓ Prometheus on {prometheus.url}; targets: {addresses} ({prometheus.url}/targets)")
        yield [prometheus.child]
    finally:
        screen.progress("Stopping Prometheus")
        prometheus.stop()


def _print_overview(
    settings: LocalSettings, times: ProcessorTimes, bootstrap_servers: str, logs: Path, screen: Screen
) -> None:
    size, disorder = times.window_size / 1000, times.out_of_orderness / 1000
    first = f"The first window's result comes in about {_in_words(math.ceil(size - time.time() % size + disorder))}"
    if not settings.rate or settings.kind != "events":
        first = f"A window with events gives its result some {disorder + times.idle_timeout / 1000:g} s after its end"
    ports = ", ".join(f"{app} http://{address}" for app, address in http_addresses(settings).items())
    screen.line(f"✓ Topics on {bootstrap_servers}")
    what = "events/second" if settings.kind == "events" else "web logs/second on the topic web_logs"
    simulated = f"{settings.rate:g} {what}" if settings.rate else "No simulated users"
    screen.line(f"✓ {simulated}, windows of {describe_duration(settings.window_size)}")
    if settings.scenarios and settings.rate:
        screen.line(f"✓ {settings.rate:g} requests/second to the demo scenarios, also in {logs / 'access.log'}")
    screen.line(f"  Logs: {logs}/")
    for title, address in pages(settings):
        screen.line(f"  {title}: {address}")
    if ports:
        screen.line(f"  /healthz, /readyz, /metrics: {ports}")
    if ports and not ipaddress.ip_address(settings.http_host).is_loopback:
        screen.line(f"  Open to everyone who can reach this machine (--listen {settings.http_host})")
    screen.line(f"  {first}. Ctrl+C stops everything.\n")


def _in_words(seconds: int) -> str:
    if seconds < 600:
        return f"{seconds} s"
    return f"{seconds // 60} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
