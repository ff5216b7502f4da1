"""./setup.sh itself: `--local` from its start to Ctrl+C, with the real apps in a pseudo-terminal."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clickstream_local.ports import free_port, holder_of, is_free
from kit.poll import eventually
from kit.processes import processes_naming
from kit.terminal import Terminal
from kit.topics import PipelineTopics, lag

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "setup.sh"
PLAIN_ENVIRONMENT = {
    **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
    "LANG": "C.UTF-8",
}


@pytest.fixture
def start(tmp_path: Path, jars: tuple[Path, ...]) -> Iterator[Callable[..., Terminal]]:
    """Starts `setup.sh --local` from another folder, on free ports, with Kafka's jars at hand."""
    folder = tmp_path / '클릭 Köln, it\'s #1 = 100%: \\n $HOME "!"' / ".local"
    (folder / "kafka").mkdir(parents=True)
    (folder / "kafka" / jars[0].parent.name).symlink_to(jars[0].parent)
    terminals: list[Terminal] = []

    def start_setup(*arguments: str) -> Terminal:
        command = [str(SETUP), "--local", "--local-directory", str(folder), *arguments]
        terminals.append(Terminal(command, tmp_path, PLAIN_ENVIRONMENT))
        return terminals[-1]

    yield start_setup
    for each in terminals:
        each.close()


@pytest.mark.parametrize(
    ("language", "title", "events"),
    [("en", "CLICKSTREAM METRICS", "Total Events:"), ("ko", "클릭스트림 메트릭", "총 이벤트:")],
)
def test_setup_local_shows_a_dashboard_and_leaves_nothing_behind(
    start: Callable[..., Terminal], tmp_path: Path, language: str, title: str, events: str
) -> None:
    kafka_port, http_port = free_port(), free_port(3)
    ports = ("--kafka-port", str(kafka_port), "--http-port", str(http_port))
    terminal = start("--window-size", "5s", "--rate", "50", "--language", language, *ports)
    terminal.wait_for(title, 120)
    terminal.wait_for(events, 10)
    servers = f"127.0.0.1:{kafka_port}"
    topics = PipelineTopics(
        servers,
        events="clickstream-events",
        metrics="clickstream-metrics",
        partials="clickstream-window-partials",
        dead_letters="clickstream-dead-letters",
        group_id="clickstream-processor",
    )
    eventually(lambda: None not in lag(servers, topics.group_id, topics.events).values(), 30)

    terminal.press_ctrl_c()

    assert terminal.wait_for_exit(60) == 0
    assert "Nothing is left running." in terminal.output()
    assert processes_naming(tmp_path, environment=True) == {}
    for port in (kafka_port, http_port, http_port + 1, http_port + 2):
        assert is_free(port), f"port {port} is held by {holder_of(port)}"


def test_setup_help_says_how_to_begin() -> None:
    answer = subprocess.run(
        [SETUP, "--help"], capture_output=True, text=True, env=PLAIN_ENVIRONMENT, timeout=60, check=True
    )

    assert "./setup.sh --local" in answer.stdout


def test_an_unknown_argument_is_named() -> None:
    answer = subprocess.run(
        [SETUP, "--lokal"], capture_output=True, text=True, env=PLAIN_ENVIRONMENT, timeout=60, check=False
    )

    assert answer.returncode == 2
    assert "--lokal" in answer.stderr


def test_a_checkout_in_which_python_can_make_no_environment_is_named(tmp_path: Path) -> None:
    checkout = tmp_path / "a:b"
    needed = ("setup.sh", "Makefile", "*.lock", "deploy/*.sh", "apps/*/*.toml", "local/*.toml")
    for file in (each for pattern in needed for each in ROOT.glob(pattern)):
        copy = checkout / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    command = [str(checkout / "setup.sh"), "--local"]
    answer = subprocess.run(command, capture_output=True, text=True, env=PLAIN_ENVIRONMENT, timeout=60, check=False)

    assert answer.returncode == 2
    assert f"a folder with a colon in its path ({checkout}): move this checkout" in answer.stderr
    assert not (checkout / ".venv").exists()
