"""How many results a second clickstream-statistics stores in Parquet and shows in Redis: cold, and warm.

The results are in the topic before the process starts. Cold is from the start of the process until Redis has them all,
with the start of Spark in it. Then the topic gets as many again in one transaction, and warm is from its commit until
Redis has these too. Redis is a Valkey of this machine, Parquet is in a folder.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kafka import KafkaProducer
from redis import Redis

from clickstream_local.jars import SPARK, fetched
from clickstream_local.ports import free_port
from clickstream_local.topics import Topic, create_missing
from clickstream_local.valkey import Valkey, find_server
from cluster import running_cluster
from measure import Measured, Usage
from table import command, machine
from workspace import KEPT, PYTHON, ROOT, peers_are_missing

_PARTITIONS = 6
_SCENARIOS = range(1, 6)
_DEADLINE_S = 1800.0


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Statistics of scenarios' results.")
    parser.add_argument("--results", type=int, default=500_000, help="of each half (default 500000)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    jars = ROOT / ".local" / "spark"
    fetched(SPARK, jars)
    with tempfile.TemporaryDirectory() as folder, running_cluster() as cluster:
        valkey = Valkey(Path(folder), executable=find_server(), port=free_port(), log=KEPT / "summing-valkey.log")
        child = valkey.launch()
        try:
            _wait(valkey.ready)
            topic = f"run-{uuid.uuid4().hex[:8]}-results"
            create_missing({"bootstrap_servers": [cluster.bootstrap_servers]}, [Topic(topic, _PARTITIONS)])
            environ = {
                "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
                "SCENARIO_RESULTS_TOPIC": topic,
                "RESULTS_TO": f"{folder}/results",
                "REDIS_URL": valkey.url,
                "SPARK_JARS": str(SPARK.folder(jars)),
                "TRIGGER_INTERVAL": "1s",
                "HTTP_PORT": str(free_port()),
            }
            redis = Redis.from_url(valkey.url)
            _load(cluster.bootstrap_servers, topic, chosen.results, seed=1)
            began = time.monotonic()
            line = (PYTHON.parent / "clickstream-statistics",)
            with Measured(line, log=KEPT / "summing.log", environ=environ) as process:
                _wait(lambda: process.exit_status is not None or _counted(redis) >= chosen.results)
                cold = process.usage()
                cold_s = time.monotonic() - began
                _load(cluster.bootstrap_servers, topic, chosen.results, seed=2)
                before = process.usage()
                _wait(lambda: process.exit_status is not None or _counted(redis) >= 2 * chosen.results)
                warm = process.usage()
                if process.exit_status is not None:
                    raise SystemExit(f"it ended: {process.last_lines()}")
            files = list(Path(folder, "results").glob("year=*/**/*.parquet"))
            stored_bytes = sum(each.stat().st_size for each in files)
        finally:
            child.stop(5)
    print(f"\n{command()}\n{machine()}\n")
    print("| | results | s | results / s | results / CPU s | peak MiB |\n|---|---|---|---|---|---|")
    print(_row("cold, with the start of Spark", chosen.results, cold_s, cold.cpu, cold))
    print(_row("warm", chosen.results, warm.wall - before.wall, warm.cpu - before.cpu, warm))
    print(f"\n{len(files)} files, {stored_bytes / 2 / chosen.results:.1f} bytes a result")
    return 0


def _row(name: str, results: int, wall_s: float, cpu_s: float, usage: Usage) -> str:
    peak = usage.peak_bytes / 2**20
    return f"| {name} | {results:,} | {wall_s:.1f} | {results / wall_s:,.0f} | {results / cpu_s:,.0f} | {peak:.0f} |"


def _counted(redis: Redis) -> int:
    values = redis.mget([f"scenario:{each}:success_ratio" for each in _SCENARIOS])
    return sum(json.loads(each)["total_count"] for each in values if each)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("nothing was counted in half an hour")
        time.sleep(0.1)


def _load(servers: str, topic: str, results: int, seed: int) -> None:
    """Send results of the last ten minutes of five scenarios, which become visible all at once."""
    chance, now = random.Random(seed), time.time()
    producer = KafkaProducer(
        bootstrap_servers=servers,
        transactional_id=topic,
        transaction_timeout_ms=600_000,
        linger_ms=50,
        batch_size=256 * 1024,
        compression_type="lz4",
    )
    producer.init_transactions()
    producer.begin_transaction()
    for number in range(results):
        moment = datetime.fromtimestamp(now - chance.uniform(0, 600), UTC)
        at = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        scenario = chance.choice(_SCENARIOS)
        value = {
            "e_c": "buttonClick",
            "e_n": "구매하기",
            "memberId": str(100_000 + number % 10_000),
            "age": 20 + number % 40,
            "h": moment.hour,
            "success": int(chance.random() < 0.3),
            "scenario_id": scenario,
            "date": at[:19].replace("T", " "),
            "timestamp": at,
            "version": 1,
        }
        producer.send(topic, key=str(scenario).encode(), value=json.dumps(value, ensure_ascii=False).encode())
    producer.commit_transaction()
    producer.close()


if __name__ == "__main__":
    sys.exit(main())
