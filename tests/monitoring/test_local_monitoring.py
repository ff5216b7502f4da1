"""./setup.sh --local --monitoring: the page's address, Prometheus with its targets up, and nothing left behind.

What setup.sh runs is started here directly: setup.sh itself, which prepares .venv first, has its test in
tests/integration.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from clickstream_local.ports import free_port, holder_of, is_free
from clickstream_local.prometheus import ALERTS, Prometheus, rule_file
from kit.poll import eventually
from kit.processes import processes_naming
from kit.prometheus import ask, monitoring_tool
from kit.terminal import Terminal


@pytest.fixture
def start(start_local: Callable[..., Terminal]) -> Callable[..., Terminal]:
    """Starts `--local --monitoring` in a terminal."""
    return partial(start_local, "--monitoring")


def test_the_targets_are_up_and_nothing_is_left_behind(start: Callable[..., Terminal], tmp_path: Path) -> None:
    executable = monitoring_tool("prometheus")
    kafka_port, http_port, port = free_port(), free_port(3), free_port()
    terminal = start(
        *("--kafka-port", str(kafka_port), "--http-port", str(http_port), "--prometheus-port", str(port)),
        *("--window-size", "5s"),
    )
    terminal.wait_for(f"Live page: http://localhost:{http_port}/", 120)
    shown = terminal.output()
    assert f"Prometheus on http://localhost:{port}" in shown
    assert f"localhost:{http_port}, localhost:{http_port + 1}, localhost:{http_port + 2}" in shown
    running = Prometheus(tmp_path, executable=executable, port=port, targets={}, rules="", log=tmp_path / "none")

    def all_up() -> bool:
        states = {each["scrapePool"]: each["health"] for each in ask(running, "targets")["activeTargets"]}
        assert states == dict.fromkeys(("clickstream-consumer", "clickstream-producer", "clickstream-streams"), "up")
        return True

    eventually(all_up, 90, every=0.5)
    assert {group["name"] for group in ask(running, "rules")["groups"]} >= {"clickstream.pipeline", "clickstream.kafka"}
    assert (tmp_path / "local" / "prometheus" / "data").is_dir()

    terminal.press_ctrl_c()

    assert terminal.wait_for_exit(60) == 0
    assert "Nothing is left running." in terminal.output()
    assert processes_naming(tmp_path, environment=True) == {}
    for each in (kafka_port, http_port, http_port + 1, http_port + 2, port):
        assert is_free(each), f"port {each} is held by {holder_of(each)}"


def test_prometheus_finds_its_rules_in_a_folder_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / '클릭 [a-c]* Köln, it\'s #1: \\n $HOME "!" 😀?'
    prometheus = Prometheus(
        folder,
        executable=monitoring_tool("prometheus"),
        port=free_port(),
        targets={"clickstream-consumer": "localhost:1"},
        rules=rule_file(ALERTS.read_text(encoding="utf-8")),
        log=tmp_path / "prometheus.log",
    )
    try:
        prometheus.start()
        assert len(ask(prometheus, "rules")["groups"]) == 7
    finally:
        prometheus.stop()
    assert {each.name for each in folder.iterdir()} == {"data", "prometheus.json", "rules.yaml"}


def test_where_prometheus_is_not_installed_that_is_said_and_the_rest_runs(
    start: Callable[..., Terminal], java: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(java)
    terminal = start(
        *("--kafka-port", str(free_port()), "--http-port", str(free_port(3)), "--window-size", "5s"),
        path=str(tmp_path / "bin"),
    )

    terminal.wait_for("Prometheus is not installed", 60)
    terminal.wait_for("CLICKSTREAM METRICS", 60)
    assert "apt install prometheus" in terminal.output()
    terminal.press_ctrl_c()
    assert terminal.wait_for_exit(60) == 0
