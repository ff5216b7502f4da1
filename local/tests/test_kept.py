from pathlib import Path

import pytest

from clickstream_local.archive import Connector
from clickstream_local.children import Child
from clickstream_local.errors import NotStarted
from clickstream_local.kept import Kept


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Kit:
    """A program that ends when it is told to, and what is said about it."""

    def __init__(self, tmp_path: Path, *command: str) -> None:
        self.clock, self.said, self.children = Clock(), list[str](), list[Child]()
        self.is_ready = True
        self._log = tmp_path / "log"
        self._command = command or ("sleep", "60")
        self.kept = Kept(self._launch, lambda: self.is_ready, self.said.append, self.clock)

    def _launch(self) -> Child:
        self.children.append(Child("the server", self._command, log=self._log))
        return self.children[-1]

    def tend(self, *, after: float = 0.0) -> None:
        self.clock.now += after
        self.kept.tend()


def test_what_ends_is_started_again_after_a_pause_and_said_to_be_back(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.kept.start()
    kit.children[0].kill()
    kit.is_ready = False

    kit.tend(after=10)
    kit.tend(after=0.5)
    assert len(kit.children) == 1, "too early"
    kit.tend(after=1)
    kit.tend(after=4)
    kit.is_ready = True
    kit.tend(after=1)
    kit.tend(after=1)
    kit.kept.stop()

    assert len(kit.children) == 2
    assert [line.partition(" (")[0] for line in kit.said] == ["✗ the server ended", "✓ the server is back after 5 s"]
    assert "killed by SIGKILL" in kit.said[0]
    assert not kit.children[1].running


def test_the_pauses_grow_while_it_keeps_ending_and_are_short_after_a_steady_minute(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.kept.start()
    pauses = []
    for _ in range(7):
        kit.children[-1].kill()
        kit.tend()
        ended_at, started = kit.clock.now, len(kit.children)
        while len(kit.children) == started:
            kit.tend(after=1)
        pauses.append(kit.clock.now - ended_at)
    kit.clock.now += 100
    kit.children[-1].kill()
    kit.tend()
    kit.tend(after=1)
    kit.kept.stop()

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert len(kit.children) == 9


def test_one_that_ends_at_its_first_start_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    kit = Kit(tmp_path, "sh", "-c", "echo no such option; exit 3")
    kit.is_ready = False

    with pytest.raises(NotStarted, match=r"the server did not start \(exit status 3\)(.|\n)*no such option"):
        kit.kept.start()


def test_one_that_is_not_waited_for_is_said_to_be_ready_when_it_is(tmp_path: Path) -> None:
    kit = Kit(tmp_path)
    kit.is_ready = False
    kit.kept.begin()
    kit.tend(after=3)
    kit.is_ready = True
    kit.tend(after=1)
    kit.tend(after=1)
    kit.kept.stop()

    assert kit.said == ["✓ the server is ready after 4 s"]


@pytest.mark.parametrize(("status", "starts"), [(0, 1), (1, 2)])
def test_one_that_may_end_is_started_again_only_if_it_failed(tmp_path: Path, status: int, starts: int) -> None:
    started: list[Child] = []

    def launch() -> Child:
        started.append(Child("the generator", ("sh", "-c", f"exit {status}"), log=tmp_path / "log"))
        return started[-1]

    clock = Clock()
    kept = Kept(launch, lambda: False, lambda line: None, clock, may_end=True)
    kept.begin()
    assert started[0].wait(10) == status
    for _ in range(2):
        clock.now += 10
        kept.tend()
    kept.stop()

    assert len(started) == starts


class Worker:
    """A Connect worker whose task fails as the test says; None: it does not answer."""

    def __init__(self) -> None:
        self.trace: str | None = None
        self.away = False
        self.restarts = 0

    def failure_of(self, name: str) -> str | None:
        if self.away:
            raise ConnectionError
        return self.trace

    def restart_failed(self, name: str) -> None:
        self.restarts += 1


def test_a_failed_task_is_restarted_and_its_cause_said_once() -> None:
    worker, clock, said = Worker(), Clock(), list[str]()
    connector = Connector(worker, {}, said.append, clock)  # type: ignore[arg-type]

    def tend(seconds: int) -> None:
        for _ in range(seconds):
            clock.now += 1
            connector.tend()

    tend(10)
    worker.trace = "a.SdkException: S3 is away"
    tend(10)
    restarted = worker.restarts
    worker.away = True
    tend(10)
    worker.away, worker.trace = False, None
    tend(100)

    assert 2 <= restarted <= 4
    assert said == ["✗ The archive stands still, and tries again: SdkException: S3 is away", "✓ The archive goes on"]
