"""How much memory the processor needs when one window has ten million users, sessions and URLs, all different.

Every event is of a new user, in a new session, on a new page. The window has 12 hours, so that the topics keep what it
needs, and closes when its partitions have been idle; the record says how good the sketches' answers are.
"""

import argparse
import subprocess
import sys
import time

from clickstream_core.window_metrics import WindowMetrics, decode_window_metrics
from clickstream_local.ports import free_port
from cluster import Cluster, Pipeline, decoded, running_cluster
from processor import start_processor, wait_until_caught_up
from table import command, machine
from workspace import BENCH, PEERS_PYTHON, peers_are_missing


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Peak memory with very many distinct ids.")
    parser.add_argument("--ids", type=int, default=10_000_000, help="users, sessions and URLs (default 10000000)")
    parser.add_argument("--longer", type=int, default=0, help="characters more in each of them (default 0)")
    parser.add_argument("--counting", choices=("auto", "native", "python"), default="auto")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    with running_cluster() as cluster:
        pipeline = cluster.pipeline()
        print(f"Loading {chosen.ids:,} events", flush=True)
        arguments = (cluster.bootstrap_servers, pipeline.events, str(chosen.ids), str(chosen.longer))
        subprocess.run([PEERS_PYTHON, BENCH / "feed_distinct.py", *arguments], check=True)
        with start_processor(cluster, pipeline, free_port(), WINDOW_SIZE="12h", COUNTING=chosen.counting) as process:
            wait_until_caught_up(cluster, pipeline, process)
            counted = process.usage()
            metrics = _result(cluster, pipeline)
            used = process.usage()
        cluster.delete_pipeline(pipeline)
    print(f"{command()}\n{machine()}")
    print(f"peak {counted.peak_bytes / 2**20:.0f} MiB when counted, {used.peak_bytes / 2**20:.0f} MiB with the result")
    print(f"{chosen.ids / counted.cpu:,.0f} events per CPU second; total_events {metrics.total_events:,}")
    for name, found in (("unique_users", metrics.unique_users), ("unique_sessions", metrics.unique_sessions)):
        print(f"{name} {found:,}, error {100 * (found - chosen.ids) / chosen.ids:+.2f} %")
    return 0 if metrics.total_events == chosen.ids else 1


def _result(cluster: Cluster, pipeline: Pipeline) -> WindowMetrics:
    deadline = time.monotonic() + 120
    with cluster.reader(pipeline.metrics) as consumer:
        while time.monotonic() < deadline:
            for record in decoded(consumer.poll(timeout_ms=100)):
                return decode_window_metrics(record.value)
    raise RuntimeError("the window's record did not come within two minutes")


if __name__ == "__main__":
    sys.exit(main())
