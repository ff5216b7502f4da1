"""A standard output that can't be written to: its disk is full, or its reader has gone. There is no Kafka."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_local.ports import free_port
from kit.poll import eventually

# What SIGTERM ends each with when it never reached Kafka; for the producer that is a run that has failed.
STATUS = {"producer": 1, "streams": 0, "consumer": 0, "collector": 0}
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "stderr"


@pytest.fixture
def start(log: Path) -> Iterator[Start]:
    """Starts an app with this standard output; its standard error goes to `log`."""
    started: list[subprocess.Popen[bytes]] = []

    def start(app: str, output: int, **settings: str) -> subprocess.Popen[bytes]:
        ports = {"HTTP_PORT": str(free_port())} | ({"ADMIN_PORT": "0"} if app == "collector" else {})
        settings = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", **ports, **settings}
        with log.open("wb") as errors:
            command = [sys.executable, "-m", f"clickstream_{app}.main"]
            started.append(subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **settings}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("app", STATUS)
def test_a_full_disk_ends_no_app(app: str, start: Start, log: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(app, full.fileno(), LOG_FORMAT="json")
    eventually(lambda: "Cannot write to standard output (No space left on device)" in log.read_text(), 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == STATUS[app]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["message"].startswith("Cannot write to standard output") for line in lines) == 1
    assert {line["app"] for line in lines} == {f"clickstream-{app}"}


@pytest.mark.parametrize("app", STATUS)
def test_an_output_that_is_no_longer_read_ends_the_app_in_order(app: str, start: Start, log: Path) -> None:
    reader, writer = os.pipe()
    process = start(app, writer)
    os.close(writer)
    os.close(reader)
    assert process.wait(30) == STATUS[app]
    assert "Traceback" not in log.read_text()
    assert "BrokenPipeError" not in log.read_text()
