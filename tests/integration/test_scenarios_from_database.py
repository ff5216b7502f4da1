"""Stream and admin page as processes, on a real broker, MariaDB and Valkey: a change on the page changes results."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clickstream_local.broker import Broker
from kit.mariadb import MariaDB, mariadb
from kit.poll import eventually
from kit.processes import App, Apps
from kit.processor import sample
from kit.redis_server import RedisServer, redis_server
from kit.scenarios import REFERENCE, REFERENCE_REQUEST, ScenarioTopics, access_log, create_scenario_topics
from kit.topics import ToSend, send


@pytest.fixture
def database(tmp_path: Path) -> Iterator[MariaDB]:
    (tmp_path / "mariadb").mkdir()
    with mariadb(tmp_path / "mariadb") as server:
        yield server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        yield server


def _run(environ: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "clickstream_scenarios.main", *arguments]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=True).stdout


def _put(admin: App, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"http://localhost:{admin.http_port}/api/scenarios{path}"
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def test_a_rule_changed_on_the_page_changes_results_within_five_seconds_and_holds_without_the_database(
    broker: Broker, database: MariaDB, redis: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    topics: ScenarioTopics = create_scenario_topics(broker.bootstrap_servers)
    environ = {"DATABASE_URL": database.make_database("scenarios"), "REDIS_URL": redis.url}
    members = tmp_path / "members.csv"
    members.write_text("member_id,gender,birth_date\n123456,male,2001-11-01\n", encoding="utf-8")
    assert _run(environ, "migrate").startswith("The tables are made")
    assert _run(environ, "members", "import", str(members)) == "1 members imported, 0 bad rows left out.\n"
    admin = apps.start(
        "clickstream_scenarios.admin",
        environ={**topics.environ, **environ},
        ADMIN_SIGN_IN="none",
        HTTP_HOST="127.0.0.1",
    )
    stream = apps.start("clickstream_scenarios.main", environ={**topics.environ, **environ}, COMMIT_INTERVAL="200ms")
    admin.wait_until_ready(60)
    stream.wait_until_ready(60)
    _put(admin, "POST", "", REFERENCE)

    def ask() -> dict[str, Any]:
        before = len(topics.read_results())
        send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(REFERENCE_REQUEST))])
        return eventually(lambda: topics.read_results()[before:], 30)[0]

    eventually(lambda: sample(stream, "clickstream_scenarios_active_scenarios") == 1, 5)
    first = ask()
    assert (first["success"], first["version"]) == (1, 1)
    stricter = [*REFERENCE["filters"], {"left": "res", "operator": "==", "right": "1x1"}]  # type: ignore[misc]
    _put(admin, "PUT", "/5", {**REFERENCE, "filters": stricter, "version": 1})
    changed_at = time.monotonic()
    while ask()["version"] == 1:
        assert time.monotonic() - changed_at < 5
    assert ask()["success"] == 0
    trial = _put(admin, "POST", "/trial", REFERENCE)
    assert (trial["success_count"], trial["own"]) == (trial["total_count"], True)
    database.kill()
    last = ask()
    assert (last["version"], last["success"], "member_known" in last) == (2, 0, False)
    database.start()
    _put(admin, "PUT", "/5", {**REFERENCE, "version": 2})
    eventually(lambda: ask()["version"] == 3, 20)
