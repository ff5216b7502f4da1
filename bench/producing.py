"""How many events a second a producer sends to Kafka, and how many for a second of CPU.

`clickstream-producer` is the complete command, at a rate that it cannot reach, including the generation; it uses
several processes. The others send ready-made events from memory: kafka-python asynchronously, kafka-python with one
acknowledgement after the other, and confluent-kafka.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from cluster import Cluster, running_cluster
from dataset import prepare
from measure import Measured
from table import command, machine
from workspace import BENCH, KEPT, PEERS_PYTHON, PYTHON, peers_are_missing

_EVENTS = 100_000
_BEYOND_REACH = "100000"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compares producers.")
    parser.add_argument("--seconds", type=int, default=20, help="how long each one sends (default 20)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    lines = str(prepare(_EVENTS).lines)
    with running_cluster() as cluster:
        kafka_python = [PYTHON, BENCH / "contestants" / "produce_kafka_python.py"]
        confluent = [PEERS_PYTHON, BENCH / "contestants" / "produce_confluent.py"]
        rows = [
            "| producer | events | events / s | events / CPU s |",
            "|---|---|---|---|",
            _measure_command(cluster, chosen.seconds),
            _measure("kafka-python, asynchronous", cluster, kafka_python, lines, chosen.seconds, "async"),
            _measure("kafka-python, one ack at a time", cluster, kafka_python, lines, chosen.seconds, "ack"),
            _measure("confluent-kafka", cluster, confluent, lines, chosen.seconds),
        ]
    print(f"{command()}\n{machine()}\n\n" + "\n".join(rows))
    return 0


def _measure_command(cluster: Cluster, seconds: int) -> str:
    pipeline = cluster.pipeline()
    settings = {"--rate": _BEYOND_REACH, "--duration": f"{seconds}s", "--users": "5000", "--http-port": "0"}
    settings |= {"--events-topic": pipeline.events, "--kafka-bootstrap-servers": cluster.bootstrap_servers}
    arguments = [part for setting in settings.items() for part in setting]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([PYTHON, "-m", "clickstream_producer.main", *arguments], check=True, stdout=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    events = sum(cluster.ends(pipeline.events).values())
    cluster.delete_pipeline(pipeline)
    return _row("clickstream-producer, complete, start included", events, wall, cpu)


def _measure(name: str, cluster: Cluster, contestant: list[Path], lines: str, seconds: int, *arguments: str) -> str:
    pipeline = cluster.pipeline()
    whole: list[str | Path] = [*contestant, cluster.bootstrap_servers, pipeline.events, lines, str(seconds), *arguments]
    with Measured(whole, log=KEPT / "logs" / "producing.log", environ={}) as process:
        deadline = time.monotonic() + seconds + 60
        while len(process.marks) < 2:
            if process.exit_status is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not finish:\n{process.last_lines()}")
            time.sleep(0.05)
    arrived = sum(cluster.ends(pipeline.events).values())
    cluster.delete_pipeline(pipeline)
    began, ended = process.marks[0].usage, process.marks[1].usage
    if arrived != process.marks[1].events:
        raise RuntimeError(f"{name} says it sent {process.marks[1].events} events, {arrived} are there")
    return _row(name, arrived, ended.wall - began.wall, ended.cpu - began.cpu)


def _row(name: str, events: int, wall: float, cpu: float) -> str:
    return f"| {name} | {events:,} | {events / wall:,.0f} | {events / cpu:,.0f} |"


if __name__ == "__main__":
    sys.exit(main())
