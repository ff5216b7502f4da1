"""Bounds: bytes on the partials topic, and the processor's memory.

`late`: 10,000 users in each of 6 partitions and one window, then a late event a second and partition. `names`: 12,000
events with four names of 8 kB. `backlog`: five partitions are a day ahead of the sixth, 10,000 users in each window of
5 minutes and partition, and then the sixth catches up. Bytes are those of the logs on the broker's disk.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from clickstream_core.window_metrics import decode_window_metrics
from clickstream_local.ports import free_port
from cluster import Cluster, Pipeline, decoded, running_cluster
from processor import start_processor, wait_until_caught_up
from table import command, machine
from workspace import BENCH, KEPT, PEERS_PYTHON, peers_are_missing

_PARTITIONS = 6


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Bytes of partials, and peak memory.")
    parser.add_argument("--only", choices=list(_MEASUREMENTS), help="one of them (default all)")
    parser.add_argument("--users", type=int, default=10_000, help="in a window and partition (default 10000)")
    parser.add_argument("--seconds", type=int, default=40, help="of late events (default 40)")
    parser.add_argument("--windows", type=int, default=288, help="of the backlog (default 288, a day)")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    lines = []
    with running_cluster() as cluster:
        for name in [chosen.only] if chosen.only else _MEASUREMENTS:
            pipeline = cluster.pipeline()
            lines.append(f"{name}: {_MEASUREMENTS[name](cluster, pipeline, chosen)}")
            cluster.delete_pipeline(pipeline)
    print(f"{command()}\n{machine()}")
    print("\n".join(lines))
    return 0


def _late(cluster: Cluster, pipeline: Pipeline, chosen: argparse.Namespace) -> str:
    start = _window_of_now(10)
    settings = {"WINDOW_SIZE": "10s", "ALLOWED_LATENESS": "10m", "IDLE_TIMEOUT": "3s", "OUT_OF_ORDERNESS": "1s"}
    with start_processor(cluster, pipeline, free_port(), **settings) as process:
        _feed(cluster, pipeline, start, windows=1, users=chosen.users, partitions=range(_PARTITIONS))
        wait_until_caught_up(cluster, pipeline, process)
        _wait_for_windows(cluster, pipeline, 1)
        before = _bytes(cluster, pipeline.partials)
        for _ in range(chosen.seconds):
            _feed(cluster, pipeline, start, windows=1, users=1, partitions=range(_PARTITIONS))
            time.sleep(1)
        wait_until_caught_up(cluster, pipeline, process)
        events, partials = _bytes(cluster, pipeline.events), _bytes(cluster, pipeline.partials)
        revisions = _wait_for_windows(cluster, pipeline, 1) - 1
        peak = process.usage().peak_bytes
    return (
        f"events {_mib(events)}, partials {_mib(partials)}, {_mib(before)} of them before the late events; {revisions}"
        f" revisions in {chosen.seconds} s, peak {_mib(peak)}"
    )


def _names(cluster: Cluster, pipeline: Pipeline, chosen: argparse.Namespace) -> str:
    settings = {"WINDOW_SIZE": "10s", "ALLOWED_LATENESS": "10m", "IDLE_TIMEOUT": "3s", "OUT_OF_ORDERNESS": "1s"}
    with start_processor(cluster, pipeline, free_port(), **settings) as process:
        start = _window_of_now(10)
        _feed(cluster, pipeline, start, windows=1, users=2_000, partitions=range(_PARTITIONS), longer=8_000)
        wait_until_caught_up(cluster, pipeline, process)
        _wait_for_windows(cluster, pipeline, 1)
        events, partials = _bytes(cluster, pipeline.events), _bytes(cluster, pipeline.partials)
        peak = process.usage().peak_bytes
    return f"events {_mib(events)}, partials {_mib(partials)}, peak {_mib(peak)}"


def _backlog(cluster: Cluster, pipeline: Pipeline, chosen: argparse.Namespace) -> str:
    start = _window_of_now(300) - chosen.windows * 300
    settings = {"WINDOW_SIZE": "5m", "IDLE_TIMEOUT": "1d"}
    with start_processor(cluster, pipeline, free_port(), **settings) as process:
        shape = {"windows": chosen.windows, "users": chosen.users}
        _feed(cluster, pipeline, start, partitions=range(_PARTITIONS - 1), **shape)
        wait_until_caught_up(cluster, pipeline, process)
        ahead = process.usage().peak_bytes
        _feed(cluster, pipeline, start, partitions=range(_PARTITIONS - 1, _PARTITIONS), **shape)
        wait_until_caught_up(cluster, pipeline, process)
        _wait_for_windows(cluster, pipeline, chosen.windows - 1)
        caught_up = process.usage().peak_bytes
        partials, totals = _bytes(cluster, pipeline.partials), _totals(cluster, pipeline)
    wrong = sum(total != chosen.users * _PARTITIONS for total in totals[1:-1])
    return (
        f"{chosen.windows} windows, partials {_mib(partials)}, peak {_mib(ahead)} with five partitions ahead and"
        f" {_mib(caught_up)} after the sixth, {len(totals)} results, {wrong} of them wrong"
    )


_MEASUREMENTS: dict[str, Callable[[Cluster, Pipeline, argparse.Namespace], str]] = {
    "late": _late,
    "names": _names,
    "backlog": _backlog,
}


def _window_of_now(seconds: int) -> int:
    """The start of the window before this one, in seconds since the epoch."""
    return int(time.time()) // seconds * seconds - seconds


def _feed(
    cluster: Cluster, pipeline: Pipeline, start: int, *, windows: int, users: int, partitions: range, longer: int = 0
) -> None:
    shape = {"start": start, "windows": windows, "users": users, "partitions": list(partitions), "longer": longer}
    seconds = 10 if windows == 1 else 300
    arguments = (cluster.bootstrap_servers, pipeline.events, json.dumps({**shape, "seconds": seconds}))
    subprocess.run([PEERS_PYTHON, BENCH / "feed_windows.py", *arguments], check=True)


def _totals(cluster: Cluster, pipeline: Pipeline) -> list[int]:
    """The events of each window's last result, oldest window first."""
    last: dict[str, int] = {}
    end = sum(cluster.ends(pipeline.metrics).values())
    with cluster.reader(pipeline.metrics) as consumer:
        while sum(consumer.position(each) for each in consumer.assignment()) < end:
            for record in decoded(consumer.poll(timeout_ms=200)):
                metrics = decode_window_metrics(record.value)
                last[metrics.window_start] = metrics.total_events
    return [last[start] for start in sorted(last)]


def _wait_for_windows(cluster: Cluster, pipeline: Pipeline, count: int) -> int:
    """Wait for this many results; return how many there are."""
    deadline = time.monotonic() + 300
    results = 0
    with cluster.reader(pipeline.metrics) as consumer:
        while time.monotonic() < deadline:
            found = len(list(decoded(consumer.poll(timeout_ms=500))))
            results += found
            if results >= count and not found:
                return results
    raise RuntimeError(f"{results} of {count} results within five minutes")


def _bytes(cluster: Cluster, topic: str) -> int:
    """The size of the topic's segments on the broker's disk."""
    folders: Path = KEPT / "broker"
    return sum(each.stat().st_size for each in folders.rglob("*.log") if each.parent.name.startswith(f"{topic}-"))


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main())
