"""How long a processor takes to recover after kill -9 with one open window of five million events.

The window is a day long and nothing closes it. The processor counts everything and commits; it is killed, a new one is
started at once, and the time until /readyz answers is taken. It consists of the start, the wait until the group has
removed the dead member (session timeout 10 s), and the restore: every event of the open window is read again.
"""

import argparse
import sys
import time

from clickstream_local.ports import free_port
from cluster import running_cluster
from dataset import prepare
from processor import sample, start_processor, wait_until_caught_up, wait_until_ready
from table import command, machine
from workspace import peers_are_missing


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Recovery after kill -9.")
    parser.add_argument("--events", type=int, default=5_000_000, help="events in the window (default 5000000)")
    parser.add_argument("--compression", choices=("none", "lz4"), default="lz4")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    settings = {"WINDOW_SIZE": "1d", "IDLE_TIMEOUT": "1d"}
    dataset = prepare(chosen.events)
    with running_cluster() as cluster:
        pipeline = cluster.pipeline(cluster.load(dataset, chosen.compression))
        first_port, second_port = free_port(), free_port()
        with start_processor(cluster, pipeline, first_port, **settings) as first:
            wait_until_caught_up(cluster, pipeline, first)
            counting = time.monotonic() - first.started.wall
            first.kill()
            with start_processor(cluster, pipeline, second_port, **settings) as second:
                wait_until_ready(second, second_port)
                used = second.usage()
                restoring = sample(second_port, "clickstream_streams_restore_seconds_sum")
        cluster.delete_pipeline(pipeline)
    print(f"{command()}\n{machine()}")
    print(f"counted {dataset.records:,} events in {counting:.1f} s, then kill -9")
    print(
        f"ready again after {used.wall - second.started.wall:.1f} s and {used.cpu:.1f} CPU s, "
        f"peak {used.peak_bytes / 2**20:.0f} MiB (restores of the tasks, side by side: {restoring:.1f} s in sum)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
