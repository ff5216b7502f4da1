"""The command as a whole, and its several processes at high rates, without a Kafka to reach."""

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from clickstream_core.settings import read_settings
from clickstream_core.shutdown import StopRequest
from clickstream_producer.generation import Share
from clickstream_producer.progress import Condition, Progress
from clickstream_producer.settings import ProducerSettings
from clickstream_producer.workers import run_processes

DEADLINE = 30.0


@pytest.fixture
def dead_address() -> Iterator[str]:
    """An address without a listener, which no other program can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ready(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            text: bytes = answer.read()
    except HTTPError as error:
        with error:
            return f"{error.code} {error.read().decode().strip()}"
    except OSError as error:
        return str(error)
    return f"200 {text.decode().strip()}"


@pytest.mark.parametrize("rate", ["10", "20000"])
def test_without_kafka_the_command_says_so_and_waits_until_it_is_stopped(
    dead_address: str, rate: str, tmp_path: Path
) -> None:
    port = free_port()
    output = tmp_path / "output.txt"
    with output.open("w") as file:
        command = subprocess.Popen(
            [sys.executable, "-m", "clickstream_producer.main", "--rate", rate, "--http-port", str(port)],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": dead_address, "PYTHONIOENCODING": "utf-8"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: "Kafka is away" in output.read_text("utf-8"))
            assert re.fullmatch(r"503 Kafka is away: \d+ ECONNREFUSED", ready(port))
            command.send_signal(signal.SIGTERM)
            status = command.wait(DEADLINE)
        finally:
            command.kill()
            command.wait()

    assert status == 1
    text = output.read_text("utf-8")
    assert re.match(r"⏳ Kafka is away: \d+ ECONNREFUSED; trying again until it is there\n", text)
    assert "✗ Stopped before Kafka could be reached" in text
    assert "Traceback" not in text


def test_a_wrong_setting_ends_the_command_with_one_line_and_status_2() -> None:
    command = subprocess.run(
        [sys.executable, "-m", "clickstream_producer.main", "--rate", "0"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )

    assert command.returncode == 2
    assert command.stdout == ""
    assert len(command.stderr.splitlines()) == 1
    assert "RATE=0 (from --rate): expected a number" in command.stderr


def test_a_process_that_dies_ends_the_run_and_is_named(dead_address: str) -> None:
    settings = read_settings(
        ProducerSettings, prog="test", description="", argv=[], environ={"KAFKA_BOOTSTRAP_SERVERS": dead_address}
    )
    stop = StopRequest()
    seen: list[Progress] = []

    def kill_one_when_all_are_up(progress: Progress) -> None:
        seen.append(progress)
        children = multiprocessing_children()
        if len(children) == 2 and "ECONNREFUSED" in progress.why:
            os.kill(children[1], signal.SIGKILL)

    run_processes(settings, [Share(0, 2, 1), Share(1, 2, 1)], stop, kill_one_when_all_are_up, connected=lambda: None)
    stop.close()

    assert seen[-1].error == "producer-2 ended unexpectedly (killed by signal 9)"
    assert seen[-1].finished
    assert seen[-1].condition is Condition.CONNECTING
    assert multiprocessing_children() == []


def test_a_process_that_fails_says_so_in_the_format_of_the_logs(
    dead_address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": dead_address, "LOG_FORMAT": "json"}
    settings = read_settings(ProducerSettings, prog="test", description="", argv=[], environ=environ)
    stop = StopRequest()
    seen: list[Progress] = []
    share_of_nothing = Share(0, 0, 1)

    run_processes(settings, [share_of_nothing], stop, seen.append, connected=lambda: None)
    stop.close()

    assert seen[-1].error == "producer-1 ended unexpectedly (exit status 1)"
    (line,) = capfd.readouterr().err.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def multiprocessing_children() -> list[int]:
    living = sorted(multiprocessing.active_children(), key=lambda child: child.name)
    return [child.pid for child in living if child.pid is not None]
