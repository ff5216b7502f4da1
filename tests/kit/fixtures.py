"""Fixtures and settings for all tests of the repository (the conftest.py at its root loads them).

`broker` is one real Kafka for the whole run; a test that stops, kills or pauses a broker takes `own_broker`.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from clickstream_core.logs import configure_logs
from clickstream_local import ports
from clickstream_local.broker import Broker
from clickstream_local.jars import CONNECT, KAFKA_VERSION, SPARK, fetched
from clickstream_local.java import find_java
from kit.chromium import chromium
from kit.kafka_versions import jars_of
from kit.processes import Apps
from kit.snippet import FakeCollector, fake_collector
from kit.terminal import Terminal
from kit.topics import PipelineTopics, create_topics

_ROOT = Path(__file__).parents[2]
_MARKS = {
    "java": "kafka",
    "jars": "kafka",
    "connect_jars": "kafka",
    "spark_jars": "kafka",
    "browser": "browser",
    "chromium": "browser",
    "helm": "helm",
    "mariadb_server": "mariadb",
    "own_mariadb": "mariadb",
    "fresh_installation": "cluster",
    "terraform": "terraform",
    "podman": "containers",
}
"""The marker of a fixture's tests; make test-fast excludes all of them."""

# The duration of an example depends more on the machine than on the code.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure() -> None:
    """Give each worker a part of the ports, so that none takes one on which another's server is about to listen."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    size = len(ports.drawn_from) // int(workers)
    first = ports.drawn_from.start + int(worker.removeprefix("gw")) * size
    ports.drawn_from = range(first, first + size)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --kafka."""
    parser.addoption("--kafka", default=KAFKA_VERSION, help="the version of the brokers that tests start")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs besides Python."""
    for item in items:
        for mark in {_MARKS[fixture] for fixture in getattr(item, "fixturenames", ()) if fixture in _MARKS}:
            item.add_marker(mark)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """For tests that configure logging in this process: it is put back afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    configure_logs("WARNING", "text", "")
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def jars(pytestconfig: pytest.Config) -> tuple[Path, ...]:
    """Kafka's jars, in the folder that ./setup.sh --local uses too; downloaded if they are missing."""
    return jars_of(pytestconfig.getoption("kafka"), _ROOT / ".local" / "kafka")


@pytest.fixture(scope="session")
def connect_jars() -> Path:
    """The folder of Kafka Connect's jars, that of ./setup.sh --local --archive; downloaded if they are missing."""
    directory = _ROOT / ".local" / "connect"
    fetched(CONNECT, directory)
    return CONNECT.folder(directory)


@pytest.fixture(scope="session")
def spark_jars() -> Path:
    """The folder of Spark's jars, that of ./setup.sh --local --scenarios; downloaded if they are missing."""
    directory = _ROOT / ".local" / "spark"
    fetched(SPARK, directory)
    return SPARK.folder(directory)


@pytest.fixture(scope="session")
def java() -> Path:
    """A Java that can run Kafka."""
    return find_java()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, java: Path, jars: tuple[Path, ...]) -> Iterator[Broker]:
    """The broker shared by the tests of this run. Do not stop it: tests differ in the names of topics and groups."""
    with Broker(tmp_path_factory.mktemp("kafka"), java=java, jars=jars) as shared:
        yield shared


@pytest.fixture
def own_broker(tmp_path: Path, java: Path, jars: tuple[Path, ...]) -> Iterator[Broker]:
    """A running broker for one test, which may stop, kill, pause and restart it."""
    with Broker(tmp_path / "kafka", java=java, jars=jars) as owned:
        yield owned


@pytest.fixture
def make_topics(broker: Broker) -> Callable[..., PipelineTopics]:
    """A function that creates topics with new names on the shared broker: make_topics(partitions=3)."""

    def make(partitions: int = 6, **configs: str) -> PipelineTopics:
        return create_topics(broker.bootstrap_servers, partitions, **configs)

    return make


@pytest.fixture
def topics(make_topics: Callable[..., PipelineTopics]) -> PipelineTopics:
    """The four topics of this test, the events topic with 6 partitions."""
    return make_topics()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    """A collector that does as the test says, for pages with the snippet."""
    with fake_collector() as collector:
        yield collector


@pytest.fixture
def apps(tmp_path: Path) -> Iterator[Apps]:
    """Starts apps as processes; all are killed after the test."""
    started = Apps(tmp_path / "logs")
    yield started
    started.close()


@pytest.fixture
def start_local(tmp_path: Path, jars: tuple[Path, ...]) -> Iterator[Callable[..., Terminal]]:
    """Starts what ./setup.sh --local runs, in a terminal, with Kafka's jars at hand; with another PATH if given."""
    folder = tmp_path / "local"
    (folder / "kafka").mkdir(parents=True)
    (folder / "kafka" / jars[0].parent.name).symlink_to(jars[0].parent)
    terminals: list[Terminal] = []

    def start(*arguments: str, path: str | None = None) -> Terminal:
        environ = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "PATH": path or os.environ["PATH"]}
        command = [sys.executable, "-m", "clickstream_local", "--local-directory", str(folder), *arguments]
        terminals.append(Terminal(command, tmp_path, environ))
        return terminals[-1]

    yield start
    for each in terminals:
        each.close()
