"""`python -m clickstream_local` as a process in a terminal, with the real Kafka and stand-ins for the three apps.

However it ends, nothing may be left: no process and no port.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port, holder_of, is_free
from kit.poll import eventually
from kit.processes import processes_naming
from kit.terminal import Terminal
from kit.topics import ToSend, read_all, send

_STAND_INS = """\
import sys
from clickstream_local.main import main
from clickstream_local.pipeline import AppCommand

APP = '''
import os, signal, sys, time
name, slow = sys.argv[1], float(sys.argv[2])
def end(*_):
    # A signal can interrupt print within print, which print then refuses.
    os.write(1, (name + " is asked to end" + os.linesep).encode())
    time.sleep(slow)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(name, "is up", flush=True)
while True:
    time.sleep(1)
'''

def stand_ins(settings, environ):
    arguments = ("SLOW", str(settings.directory.resolve()))
    return [
        AppCommand(name, (sys.executable, "-c", APP, name, *arguments), environ, name == "consumer")
        for name in ("streams", "producer", "consumer")
    ]

sys.exit(main(stand_ins))
"""


class Launch:
    """One run of the launcher with stand-ins, in a folder of its own."""

    def __init__(self, directory: Path, slow: float, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
        self.directory = directory
        self.kafka_port = free_port()
        self.http_port = free_port(3)
        launcher = directory.parent / f"{directory.name}-launcher.py"
        launcher.write_text(_STAND_INS.replace("SLOW", str(slow)))
        settings = ("--local-directory", directory.name, "--http-port", self.http_port, "--kafka-port", self.kafka_port)
        passed_on = {name: os.environ[name] for name in ("HOME", "PATH", "PYTHONPATH") if name in os.environ}
        self.terminal = Terminal(
            [sys.executable, launcher, *(str(each) for each in settings), *arguments],
            directory.parent,
            {**passed_on, "LANG": "C.UTF-8", **environ},
        )

    def wait_until_up(self) -> None:
        """Until the dashboard's stand-in has the screen."""
        self.terminal.wait_for("consumer is up", 60)
        for app in ("streams", "producer"):
            eventually(lambda app=app: self.log(app), 10)  # type: ignore[misc]

    def log(self, name: str) -> str:
        return (self.directory / "logs" / f"{name}.log").read_text()

    def processes(self) -> dict[int, str]:
        """The processes of this run by id: all of them name the folder in their command line."""
        return processes_naming(self.directory)

    def pid_of(self, *words: str) -> int:
        """The one process whose command line has all the words."""
        found = [pid for pid, command in self.processes().items() if all(word in command for word in words)]
        assert len(found) == 1, f"{words}: {found} in {self.processes()}"
        return found[0]

    def assert_nothing_is_left(self, within_seconds: float = 0.0) -> None:
        def nothing() -> bool:
            assert self.processes() == {}
            for port in (self.kafka_port, self.http_port, self.http_port + 1, self.http_port + 2):
                assert is_free(port), f"port {port} is held by {holder_of(port)}"
            return True

        eventually(nothing, within_seconds)


@pytest.fixture
def launch(tmp_path: Path, jars: tuple[Path, ...]) -> Iterator[Callable[..., Launch]]:
    """Starts launchers; each run's folder has Kafka's jars already. A folder can be used again."""
    launched: list[Launch] = []

    def start(*arguments: str, slow: float = 0.0, name: str = "run", **environ: str) -> Launch:
        kafka = tmp_path / name / "kafka"
        if not kafka.exists():
            kafka.mkdir(parents=True)
            (kafka / jars[0].parent.name).symlink_to(jars[0].parent)
        launched.append(Launch(tmp_path / name, slow, arguments, environ))
        return launched[-1]

    yield start
    for each in launched:
        each.terminal.close()
        for pid in each.processes():
            os.kill(pid, signal.SIGKILL)


def test_ctrl_c_stops_everything_and_is_a_success(launch: Callable[..., Launch]) -> None:
    run = launch()
    run.wait_until_up()
    run.terminal.press_ctrl_c()

    assert run.terminal.wait_for_exit(30) == 0
    run.assert_nothing_is_left()
    assert "streams is asked to end" in run.log("streams")
    assert "producer is asked to end" in run.log("producer")
    assert "Nothing is left running." in run.terminal.output()


def test_the_progress_says_what_to_expect(launch: Callable[..., Launch]) -> None:
    run = launch("--window-size", "5s", "--rate", "50")
    run.wait_until_up()

    shown = run.terminal.output()
    assert f"Apache Kafka 4.3.1 on 127.0.0.1:{run.kafka_port}" in shown
    assert "50 events/second, windows of 5 seconds" in shown
    assert f"http://localhost:{run.http_port}" in shown
    assert "logs" in shown


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_is_a_success(launch: Callable[..., Launch], number: signal.Signals) -> None:
    run = launch()
    run.wait_until_up()
    run.terminal.process.send_signal(number)

    assert run.terminal.wait_for_exit(30) == 0
    run.assert_nothing_is_left()


def test_closing_the_terminal_stops_everything(launch: Callable[..., Launch]) -> None:
    run = launch()
    run.wait_until_up()
    run.terminal.hang_up()

    assert run.terminal.wait_for_exit(30) == 0
    run.assert_nothing_is_left()


def test_ctrl_c_again_and_again_does_not_break_off_the_stopping(launch: Callable[..., Launch]) -> None:
    run = launch(slow=1.0)
    run.wait_until_up()
    run.terminal.press_ctrl_c()
    run.terminal.wait_for("consumer is asked to end", 10)
    for text in ("Stopping producer", "Stopping streams", "Stopping Kafka"):
        run.terminal.wait_for(text, 20)
        run.terminal.press_ctrl_c()

    assert run.terminal.wait_for_exit(30) == 0
    run.assert_nothing_is_left()


def test_ctrl_c_while_kafka_starts_leaves_nothing(launch: Callable[..., Launch]) -> None:
    run = launch()
    run.terminal.wait_for("Starting Apache Kafka", 30)
    run.terminal.press_ctrl_c()

    assert run.terminal.wait_for_exit(30) == 0
    run.assert_nothing_is_left()


@pytest.mark.parametrize("app", ["producer", "streams", "consumer"])
def test_the_death_of_an_app_is_said_and_stops_everything(
    launch: Callable[..., Launch], broker: Broker, app: str
) -> None:
    run = launch(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers)
    run.wait_until_up()
    os.kill(run.pid_of(f" {app} "), signal.SIGKILL)

    assert run.terminal.wait_for_exit(30) == 1
    run.assert_nothing_is_left()
    assert f"{app} ended (killed by SIGKILL)" in run.terminal.output()
    assert f"{app}.log" in run.terminal.output()


def test_the_death_of_kafka_is_said_and_stops_everything(launch: Callable[..., Launch]) -> None:
    run = launch()
    run.wait_until_up()
    os.kill(run.pid_of("kafka.Kafka"), signal.SIGKILL)

    assert run.terminal.wait_for_exit(30) == 1
    run.assert_nothing_is_left()
    assert "Kafka ended (killed by SIGKILL)" in run.terminal.output()


def test_a_producer_that_has_done_its_work_may_end(launch: Callable[..., Launch], broker: Broker) -> None:
    run = launch(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers)
    run.wait_until_up()
    os.kill(run.pid_of(" producer "), signal.SIGTERM)
    eventually(lambda: not any(" producer " in each for each in run.processes().values()), 10)

    with pytest.raises(AssertionError, match="still running"):
        run.terminal.wait_for_exit(1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux notifies a child of its parent's death")
def test_kill_9_of_the_launcher_leaves_nothing_for_long(launch: Callable[..., Launch]) -> None:
    run = launch()
    run.wait_until_up()
    run.terminal.process.kill()

    run.assert_nothing_is_left(within_seconds=20)


def test_a_second_launch_in_the_same_folder_is_refused(launch: Callable[..., Launch], broker: Broker) -> None:
    first = launch(KAFKA_BOOTSTRAP_SERVERS=broker.bootstrap_servers)
    first.wait_until_up()
    second = launch()

    assert second.terminal.wait_for_exit(10) == 1
    assert f"already runs here (pid {first.terminal.process.pid})" in second.terminal.output()


def test_a_port_that_is_taken_is_named_with_its_holder(launch: Callable[..., Launch], broker: Broker) -> None:
    run = launch("--kafka-port", str(broker.port))

    assert run.terminal.wait_for_exit(10) == 1
    shown = run.terminal.output()
    assert f"port {broker.port} (Kafka) is held by pid {broker.child.pid}" in shown
    assert f"KAFKA_BOOTSTRAP_SERVERS=localhost:{broker.port}" in shown


def test_data_survives_a_restart_unless_it_shall_be_fresh(launch: Callable[..., Launch]) -> None:
    found = []
    for arguments in ((), (), ("--fresh",)):
        run = launch(*arguments)
        run.wait_until_up()
        servers = f"127.0.0.1:{run.kafka_port}"
        found.append([each.value for each in read_all(servers, "web_logs")])
        send(servers, "web_logs", [ToSend(b"kept")])
        run.terminal.press_ctrl_c()
        assert run.terminal.wait_for_exit(30) == 0

    assert found == [[], [b"kept"], []]


def test_another_kafka_is_used_when_it_is_named(launch: Callable[..., Launch], own_broker: Broker) -> None:
    run = launch(KAFKA_BOOTSTRAP_SERVERS=own_broker.bootstrap_servers)
    run.wait_until_up()

    written = send(own_broker.bootstrap_servers, "clickstream-events", [ToSend(b"x", partition=5)])
    assert written == [(5, 0)]
    assert not any("kafka.Kafka" in command for command in run.processes().values())
    run.terminal.press_ctrl_c()
    assert run.terminal.wait_for_exit(30) == 0
    assert own_broker.child.running


def test_data_of_another_kafka_version_is_explained(launch: Callable[..., Launch], tmp_path: Path) -> None:
    data = tmp_path / "run" / "kafka" / "data"
    run = launch()
    run.wait_until_up()
    run.terminal.press_ctrl_c()
    assert run.terminal.wait_for_exit(30) == 0
    (data / "kafka-version").write_text("3.9.1")

    again = launch()

    assert again.terminal.wait_for_exit(30) == 1
    assert "was made by Kafka 3.9.1, this is 4.3.1" in again.terminal.output()
    assert "--fresh" in again.terminal.output()


def test_any_window_and_lateness_that_the_settings_offer_works_also_on_topics_of_an_earlier_run(
    launch: Callable[..., Launch],
) -> None:
    run = launch()
    run.wait_until_up()
    run.terminal.press_ctrl_c()
    assert run.terminal.wait_for_exit(30) == 0

    again = launch("--window-size", "1d", ALLOWED_LATENESS="7d", OUT_OF_ORDERNESS="1d")

    again.wait_until_up()
    assert "clickstream-events 10d (was 1d), clickstream-metrics 10d (was 7d)" in again.terminal.output()
    again.terminal.press_ctrl_c()
    assert again.terminal.wait_for_exit(30) == 0


def test_a_wrong_setting_of_the_processor_ends_the_launcher_before_it_starts_anything(
    launch: Callable[..., Launch],
) -> None:
    run = launch(ALLOWED_LATENESS="8d")

    assert run.terminal.wait_for_exit(30) == 2
    assert "ALLOWED_LATENESS=8d: expected a duration" in run.terminal.output()
