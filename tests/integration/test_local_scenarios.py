"""./setup.sh --local --scenarios: live ratios on the page, a rule changed there, a program that is killed, Ctrl+C.

What setup.sh runs is started here directly: setup.sh itself, which prepares .venv first, has its test next door.
"""

import json
import signal
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from clickstream_local.ports import free_port, holder_of, is_free
from kit.poll import eventually
from kit.processes import processes_naming
from kit.terminal import Terminal
from kit.topics import Message, read_all

CHANGE_S = 5.0


@pytest.fixture
def start(start_local: Callable[..., Terminal], tmp_path: Path, spark_jars: Path) -> Callable[..., Terminal]:
    """Starts `--local --scenarios` in a terminal, with Spark's jars at hand."""
    (tmp_path / "local" / "spark").mkdir(parents=True)
    (tmp_path / "local" / "spark" / spark_jars.name).symlink_to(spark_jars)
    return partial(start_local, "--scenarios")


def ask(url: str, body: object = None) -> Any:
    """GET, or PUT of a body; returns the JSON of the answer."""
    sent = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, sent, headers, method="GET" if body is None else "PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def process_of(terminal: Terminal, module: str) -> psutil.Process:
    """The launcher's child that runs a module."""
    (found,) = (each for each in psutil.Process(terminal.process.pid).children() if module in each.cmdline())
    return found


def test_a_rule_changed_on_the_page_is_in_the_results_and_the_ratios_within_seconds(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    kafka_port, redis_port, http_port = free_port(), free_port(), free_port(24)
    ports = ("--kafka-port", str(kafka_port), "--http-port", str(http_port), "--redis-port", str(redis_port))
    terminal = start("--rate", "20", "--users", "50", *ports)
    page = f"http://localhost:{http_port + 20}/"
    terminal.wait_for(f"Scenarios, to watch and to edit: {page}", 120)

    def messages() -> list[Message]:
        return read_all(f"127.0.0.1:{kafka_port}", "clickstream-scenario-results")

    def results() -> list[dict[str, Any]]:
        return [json.loads(each.value or b"") for each in messages()]

    def first_by_the_new_rule() -> int:
        """When it was written, in milliseconds since the epoch; 0 if it is not there."""
        found = [(json.loads(each.value or b""), each.timestamp) for each in messages()]
        new = [written for result, written in found if (result["scenario_id"], result["version"]) == (2, 2)]
        return min(new, default=0)

    def ratios() -> dict[str, Any]:
        found: dict[str, Any] = ask(f"{page}api/scenarios/ratios")["ratios"]
        return found

    eventually(lambda: ratios().keys() == {"1", "2", "3"}, 240, every=0.3)
    eventually(lambda: {each["scenario_id"] for each in results()} == {1, 2, 3}, 10)
    assert {each["version"] for each in results()} == {1}
    assert all(each.get("member_known", True) for each in results())

    ended = process_of(terminal, "clickstream_scenarios.main")
    ended.send_signal(signal.SIGKILL)
    terminal.wait_for("scenarios ended (killed by SIGKILL", 20)
    terminal.wait_for("✓ scenarios is back after", 60)

    everyone = {**ask(f"{page}api/scenarios/2"), "filters": []}
    saved = ask(f"{page}api/scenarios/2", everyone)
    changed_at = time.time()
    assert saved["version"] == 2
    assert eventually(first_by_the_new_rule, 30) / 1000 - changed_at < CHANGE_S
    eventually(lambda: ratios()["2"]["success_ratio"] == 1, 30, every=0.3)
    assert all(each["success"] == 1 for each in results() if (each["scenario_id"], each["version"]) == (2, 2))
    assert 0 < ratios()["3"]["success_ratio"] < 1

    terminal.press_ctrl_c()

    assert terminal.wait_for_exit(90) == 0
    assert "Nothing is left running." in terminal.output()
    assert processes_naming(tmp_path, environment=True) == {}
    for port in (kafka_port, redis_port, *(http_port + each for each in (0, 1, 2, 20, 21, 22, 23))):
        assert is_free(port), f"port {port} is held by {holder_of(port)}"
