"""How many tracking requests a second and core clickstream-scenarios judges, beside the way of reference 004.

Five scenarios of four filters, ten thousand members that are cached, six partitions; scenarios and members come from a
folder, and in a second run from a database (SQLite) with a Valkey before it. The requests are in the topic
before the process starts; measured is from its first progress to its last, CPU time of the process and time on the
clock. The reference's way gets a twentieth of them: each request by itself, a query for its scenario and one for its
member (SQLite in memory), and an awaited send.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer

from clickstream_local.ports import free_port
from clickstream_local.topics import Topic, create_missing
from clickstream_local.valkey import Valkey, find_server
from clickstream_producer.access_logs import FIRST_MEMBER, TrackedShop, encode_access_log
from clickstream_scenarios.database import connect
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario
from clickstream_scenarios.store_settings import DatabaseSettings
from cluster import Cluster, running_cluster
from measure import Mark, Measured
from table import command, machine
from workspace import BENCH, KEPT, PYTHON, peers_are_missing

_PARTITIONS = 6
_MEMBERS = 10_000
_SHARE_OF_THE_LOOP = 20
_START_MS = 1_795_773_600_000
_SCENARIOS = [
    {
        "scenario_id": number,
        "title": f"Scenario {number}",
        "log_format": {"e_c": 1, "e_n": 1, "memberId": 1, "age": 1, "h": 1, "res": 0},
        "filters": [
            {"left": "age", "operator": ">", "right": "20"},
            {"left": "gender", "operator": "==", "right": "MALE"},
            {"left": "h", "operator": ">=", "right": "9"},
            {"left": "res", "operator": "in", "right": "1920x1080,390x844"},
        ],
        "logical_operator": "AND",
    }
    for number in range(1, 6)
]
_BIRTH_YEARS = range(1960, 2015)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Scenarios beside the reference's way.")
    parser.add_argument("--requests", type=int, default=600_000, help="in the topic (default 600000)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        rules = _write_rules(Path(folder))
        ours = (PYTHON.parent / "clickstream-scenarios", "--scenarios-folder", rules, "--http-port", str(free_port()))
        loop = (PYTHON, BENCH / "contestants" / "scenarios_loop.py")
        rows = [_measure(cluster, "clickstream-scenarios, a folder", ours, rules, chosen.requests)]
        with _stores(Path(folder), rules) as stores:
            stored = (PYTHON.parent / "clickstream-scenarios", "--http-port", str(free_port()))
            name = "clickstream-scenarios, database and Valkey"
            rows.append(_measure(cluster, name, stored, rules, chosen.requests, **stores))
        rows.append(_measure(cluster, "a query and a send each", loop, rules, chosen.requests // _SHARE_OF_THE_LOOP))
    print(f"\n{command()}\n{machine()}\n")
    print("| | requests | requests / CPU s | requests / s | peak MiB |\n|---|---|---|---|---|")
    print("\n".join(rows))
    return 0


def _write_rules(folder: Path) -> Path:
    """Write the folder of scenarios and members, and the same for the reference's way, beside it."""
    rules = folder / "rules"
    rules.mkdir()
    members = [
        (str(FIRST_MEMBER + number), _BIRTH_YEARS[number % len(_BIRTH_YEARS)], ("FEMALE", "MALE")[number % 2])
        for number in range(_MEMBERS)
    ]
    (rules / "scenarios.json").write_text(json.dumps(_SCENARIOS))
    rows = [f"{member},{gender},{year}-05-01" for member, year, gender in members]
    (rules / "members.csv").write_text("\n".join(["member_id,gender,birth_date", *rows]))
    known = {"scenarios": _SCENARIOS, "members": [(member, 2026 - year, gender) for member, year, gender in members]}
    (folder / "rules.json").write_text(json.dumps(known))
    return rules


@contextmanager
def _stores(folder: Path, rules: Path) -> Iterator[dict[str, str]]:
    """The same scenarios and members in a database, and an empty Valkey; yields the settings of both."""
    url = f"sqlite:///{folder}/scenarios.db"
    engine = connect(DatabaseSettings(url=url))
    migrate(engine)
    for scenario in _SCENARIOS:
        create_scenario(engine, read_scenario(scenario), "bench", datetime.now(UTC))
    engine.dispose()
    members = (PYTHON.parent / "clickstream-scenarios", "members", "import", rules / "members.csv")
    subprocess.run(members, env={**os.environ, "DATABASE_URL": url}, check=True, stdout=subprocess.DEVNULL)
    valkey = Valkey(folder / "valkey", executable=find_server(), port=free_port(), log=folder / "valkey.log")
    server = valkey.launch()
    try:
        while not valkey.ready():
            if not server.running:
                raise SystemExit(f"Valkey ended: {server.last_lines()}")
            time.sleep(0.1)
        yield {"DATABASE_URL": url, "REDIS_URL": valkey.url}
    finally:
        server.kill()


def _measure(cluster: Cluster, name: str, line: Sequence[str | Path], rules: Path, requests: int, **more: str) -> str:
    run = uuid.uuid4().hex[:8]
    logs, events, results, letters = topics = [f"run-{run}-{each}" for each in ("logs", "events", "results", "letters")]
    servers = cluster.bootstrap_servers
    create_missing({"bootstrap_servers": [servers]}, [Topic(each, _PARTITIONS) for each in topics])
    print(f"Loading {requests:,} requests for {name}", flush=True)
    _load(servers, logs, requests)
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "ACCESS_LOGS_TOPIC": logs,
        "EVENTS_TOPIC": events,
        "SCENARIO_RESULTS_TOPIC": results,
        "DEAD_LETTER_TOPIC": letters,
        "GROUP_ID": f"run-{run}",
        "RULES": str(rules.parent / "rules.json"),
        **more,
    }
    with Measured(line, log=KEPT / f"judging-{run}.log", environ=environ) as process:
        marks: list[Mark] = []
        while not marks or marks[-1].events < requests:
            done = requests - cluster.lag(f"run-{run}", logs)
            if done > (marks[-1].events if marks else 0):
                marks.append(Mark(done, process.usage()))
            if process.exit_status is not None:
                raise SystemExit(f"{name} ended: {process.last_lines()}")
            time.sleep(0.1)
        first, last = marks[0], marks[-1]
    cluster.delete(topics)
    judged, cpu, wall = (
        last.events - first.events,
        last.usage.cpu - first.usage.cpu,
        last.usage.wall - first.usage.wall,
    )
    if judged < requests // 2:
        raise SystemExit(f"{name}: {judged} of {requests} requests were measured; give it more of them")
    return f"| {name} | {judged:,} | {judged / cpu:,.0f} | {judged / wall:,.0f} | {last.usage.peak_bytes / 2**20:.0f} |"


def _load(servers: str, topic: str, requests: int) -> None:
    shop = TrackedShop(seed=1, members=_MEMBERS, scenarios=[each["scenario_id"] for each in _SCENARIOS])  # type: ignore[misc]
    producer = KafkaProducer(
        bootstrap_servers=servers, acks=1, linger_ms=50, batch_size=256 * 1024, compression_type="lz4"
    )
    for number in range(requests):
        log = shop.next_log(_START_MS + number)
        producer.send(topic, key=log.request_id.encode(), value=encode_access_log(log))
    producer.flush()
    producer.close()


if __name__ == "__main__":
    sys.exit(main())
