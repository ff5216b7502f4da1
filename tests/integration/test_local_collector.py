"""./setup.sh --local --collector: a click in the demo shop shows up in the dashboard, and nothing is left behind.

What setup.sh runs is started here directly: setup.sh itself, which prepares .venv first, has its test next door.
"""

import json
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import expect

from clickstream_local.ports import free_port, holder_of, is_free
from kit.chromium import chromium
from kit.poll import eventually
from kit.processes import processes_naming
from kit.terminal import Terminal


@pytest.fixture
def start(start_local: Callable[..., Terminal]) -> Callable[..., Terminal]:
    """Starts `--local --collector` in a terminal."""
    return partial(start_local, "--collector")


def test_a_click_in_the_shop_is_in_the_dashboard_a_window_later(start: Callable[..., Terminal], tmp_path: Path) -> None:
    kafka_port, http_port = free_port(), free_port(13)
    ports = ("--kafka-port", str(kafka_port), "--http-port", str(http_port))
    terminal = start("--window-size", "5s", "--rate", "0", *ports)
    shop = f"http://localhost:{http_port + 12}/"
    terminal.wait_for("A window with events gives its result some 15 s after its end.", 90)
    assert "No simulated users, windows of 5 seconds" in terminal.output()
    assert f"Demo shop, to click on: {shop}" in terminal.output()
    assert "Nothing to be done" not in terminal.output()
    eventually(lambda: not is_free(http_port + 10) and not is_free(http_port + 12), 30)
    with chromium() as browser:
        page = browser.new_page(locale="ko-KR")
        page.goto(f"{shop}products/laptop")
        page.click(".product [data-add]")
        expect(page.locator("#count")).to_have_text("1")

        shown = terminal.wait_for("/products/laptop", 60)
        # The click may be in an earlier window than the last one, whose types alone the dashboard lists.
        eventually(lambda: "add_to_cart" in event_types(http_port), 30)
    assert "producer" not in shown.split("/healthz, /readyz, /metrics:")[1].split("\n")[0]

    terminal.press_ctrl_c()

    assert terminal.wait_for_exit(60) == 0
    assert "Nothing is left running." in terminal.output()
    assert processes_naming(tmp_path, environment=True) == {}
    for port in (kafka_port, *(http_port + each for each in (0, 1, 2, 10, 11, 12))):
        assert is_free(port), f"port {port} is held by {holder_of(port)}"


def event_types(http_port: int) -> set[str]:
    """The event types in all windows that the live page knows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/api/windows", timeout=5) as answer:
        windows = json.load(answer)["windows"]
    return {event_type for window in windows for event_type in window["event_types"]}
