import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clickstream_local.children import Child
from clickstream_local.interruption import Interrupted, StopSignals


def child(tmp_path: Path, script: str) -> Child:
    return Child("sh", ["/bin/sh", "-c", script], log=tmp_path / "sh.log", environ={})


def test_a_child_that_ends_when_asked_is_not_killed(tmp_path: Path) -> None:
    running = child(tmp_path, "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done")
    while "up" not in running.last_lines():
        assert running.running

    assert running.stop(grace=20) == 5
    assert running.describe_end() == "exit status 5"


def test_a_child_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    running = child(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.05; done")
    while "up" not in running.last_lines():
        assert running.running

    assert running.stop(grace=0.2) == -signal.SIGKILL
    assert running.describe_end() == "killed by SIGKILL"


def test_a_paused_child_can_be_stopped(tmp_path: Path) -> None:
    running = child(tmp_path, "exec sleep 60")
    running.send(signal.SIGSTOP)

    assert running.stop(grace=20) == -signal.SIGTERM


def test_stopping_twice_is_the_same_as_once(tmp_path: Path) -> None:
    running = child(tmp_path, "exit 4")

    assert running.wait(20) == 4
    assert running.stop(grace=1) == 4
    assert running.stop(grace=1) == 4


def test_the_end_of_the_log_is_given_even_if_it_is_no_text(tmp_path: Path) -> None:
    running = child(tmp_path, r"printf '1\n2\n\377\n4\n'")
    running.wait(20)

    assert running.last_lines(2) == "\ufffd\n4"


def test_a_child_that_is_not_ready_in_time_is_killed(tmp_path: Path) -> None:
    running = child(tmp_path, "exec sleep 60")

    assert running.wait_until(lambda: True, 20) == ""
    assert running.wait_until(lambda: False, 0.1) == "running"
    assert running.exit_status == -signal.SIGKILL


def test_a_child_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    assert child(tmp_path, "exit 4").wait_until(lambda: False, 20) == "exit status 4"


def test_a_child_is_killed_when_waiting_for_it_is_interrupted(tmp_path: Path) -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    running = child(tmp_path, "exec sleep 60")
    with pytest.raises(KeyboardInterrupt):
        running.wait_until(interrupted, 20)
    assert running.exit_status == -signal.SIGKILL


def test_a_child_is_killed_when_its_start_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(original(*command, **options))
        signal.raise_signal(signal.SIGTERM)  # it is delivered as soon as the start is over
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    with StopSignals() as signals, pytest.raises(Interrupted), signals.interrupting():
        child(tmp_path, "exec sleep 60")

    assert started[0].returncode == -signal.SIGKILL
