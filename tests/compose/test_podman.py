"""The pipeline of compose.yaml as podman-compose runs it, on images that are built here: `make test-compose`.

It needs podman and podman-compose, and the Python image that ours are built on. Where containers can't be started as
usual, CONTAINERS_CONF and BUILDAH_ISOLATION say how (both are podman's own variables).
"""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from clickstream_local.ports import describe_holder, is_free
from clickstream_local.topics import clickstream_topics
from kit.composed import ports, services
from kit.events import event
from kit.inventory import ROOT
from kit.poll import eventually

_PROJECT = "clickstream-test"
_STAND_IN = Path(__file__).with_name("kafka-image")
_BUILD_S, _START_S, _WINDOW_S = 1800, 600, 300
_PIPELINE = [name for name, service in services().items() if "profiles" not in service]


def run(*command: str | Path, timeout_s: float = 120, environ: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; return what it prints, both outputs."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_s,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}"
    return done.stdout


def composed(*arguments: str, timeout_s: float = 120) -> str:
    environ = {"WINDOW_SIZE": "10s", "RATE": "50"}
    command = ["podman-compose", "--project-name", _PROJECT, "--profile", "pipeline", *arguments]
    return run(*command, timeout_s=timeout_s, environ=environ)


def container(service: str) -> str:
    return f"{_PROJECT}_{service}_1"


def logs(service: str) -> str:
    return run("podman", "logs", container(service))


@pytest.fixture(scope="module")
def podman() -> None:
    """Podman with podman-compose, and the ports of the pipeline free."""
    for program in ("podman", "podman-compose"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    taken = [
        f"{port} is held by {describe_holder(port)}"
        for name in _PIPELINE
        for _, port, _ in ports(services()[name])
        if not is_free(port)
    ]
    if taken:
        pytest.skip(f"the pipeline's ports are taken: {'; '.join(taken)}")


@pytest.fixture(scope="module")
def kafka_image(podman: None, java: Path, jars: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Kafka's official image, or one of the same jars under its name."""
    image: str = services()["kafka"]["image"]
    found = subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0
    if not found and subprocess.run(["podman", "pull", "--quiet", image], capture_output=True, check=False).returncode:
        context = tmp_path_factory.mktemp("image") / "kafka"
        shutil.copytree(_STAND_IN, context)
        # Debian's Java has its configuration elsewhere, behind links.
        shutil.copytree(java.resolve().parents[1], context / "java", ignore_dangling_symlinks=True)
        (context / "libs").mkdir()
        for jar in jars:
            shutil.copy(jar, context / "libs")
        run("podman", "build", "--quiet", "--tag", image, str(context), timeout_s=_BUILD_S)
    return image


@pytest.fixture(scope="module")
def pipeline(kafka_image: str) -> Iterator[None]:
    """The pipeline, up; nothing of it is left afterwards."""
    composed("build", timeout_s=_BUILD_S)
    try:
        composed("up", "--detach", "--no-build", timeout_s=_START_S)
        yield
    finally:
        composed("down", "--volumes", "--timeout", "15")
        assert run("podman", "ps", "--all", "--quiet", "--filter", f"name={_PROJECT}") == ""


def test_the_log_of_the_consumer_has_a_dashboard(pipeline: None) -> None:
    def block() -> str:
        text = logs("consumer")
        assert "📍 Partition:" in text, text
        return text

    text = eventually(block, _WINDOW_S, every=2)
    print(text[: text.index("📍 Partition:")])
    assert "📊 CLICKSTREAM METRICS" in text
    assert "Total Events:" in text
    assert "✅ Window completed" in logs("streams")


def test_the_jobs_end_and_the_services_are_well(pipeline: None) -> None:
    for name in _PIPELINE:
        state = json.loads(run("podman", "inspect", "--format", "{{json .State}}", container(name)))
        if "healthcheck" in services()[name] and not services()[name]["healthcheck"].get("disable"):
            assert state["Status"] == "running", name
            # Where systemd does not run, nobody asks at intervals.
            eventually(lambda name=name: run("podman", "healthcheck", "run", container(name)) or True, 60, every=2)  # type: ignore[misc]
        else:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), name


def test_kafka_is_reached_from_this_machine_and_has_the_launchers_topics(pipeline: None) -> None:
    names = ("clickstream-events", "clickstream-metrics", "clickstream-window-partials", "clickstream-dead-letters")
    with KafkaAdminClient(bootstrap_servers=["localhost:9092"], bootstrap_timeout_ms=10_000) as admin:
        found = {topic["name"]: topic for topic in admin.describe_topics()}
    for topic in clickstream_topics(*names):
        assert len(found[topic.name]["partitions"]) == topic.partitions


def test_pages_of_ones_own_reach_the_collector(pipeline: None) -> None:
    body = json.dumps(event(datetime.now(UTC))).encode()
    request = urllib.request.Request(
        "http://localhost:8090/ingest", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    with urllib.request.urlopen("http://localhost:8080/", timeout=30) as page:
        assert page.status == 200
