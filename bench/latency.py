"""How long after a window's end its record is there, at 5,000 events a second: the 50th and 99th percentile.

`record` is the timestamp of the metrics record, when it was written; `visible` is when a reader with read_committed got
it, after its transaction. Both contain OUT_OF_ORDERNESS (5 s), which a window waits for out-of-order events.
The first two windows, cut off by the start, and those that end less than 10 s before the last event do not count.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from clickstream_core.durations import parse_duration
from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import decode_window_metrics
from clickstream_local.ports import free_port
from cluster import Cluster, Pipeline, decoded, running_cluster
from measure import Measured
from processor import start_processor, wait_until_ready
from table import command, machine
from workspace import KEPT, PYTHON

_SKIPPED_AT_START = 2
_END_SECONDS = 10


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="From a window's end to its record.")
    parser.add_argument("--rate", type=int, default=5000, help="events per second (default 5000)")
    parser.add_argument("--window-size", default="1s", help="length of the windows (default 1s)")
    parser.add_argument("--windows", type=int, default=60, help="how many to measure (default 60)")
    chosen = parser.parse_args()
    seconds = parse_duration(chosen.window_size) / 1000 * (chosen.windows + _SKIPPED_AT_START + 1) + _END_SECONDS
    with running_cluster() as cluster:
        pipeline, port = cluster.pipeline(), free_port()
        with start_processor(cluster, pipeline, port, WINDOW_SIZE=chosen.window_size) as processor:
            wait_until_ready(processor, port)
            with _producer(cluster, pipeline, chosen.rate, seconds):
                written, visible = _latencies(cluster, pipeline, chosen.windows)
        cluster.delete_pipeline(pipeline)
    print(f"{command()}\n{machine()}")
    print(f"{len(written)} windows of {chosen.window_size} at {chosen.rate:,} events/s, seconds after the window's end")
    for name, latencies in (("record", written), ("visible", visible)):
        percentiles = f"p50 {_percentile(latencies, 50):.2f}, p99 {_percentile(latencies, 99):.2f}"
        print(f"{name}: {percentiles}, largest {max(latencies):.2f}")
    return 0


def _producer(cluster: Cluster, pipeline: Pipeline, rate: int, seconds: float) -> Measured:
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers,
        "EVENTS_TOPIC": pipeline.events,
        "HTTP_PORT": "0",
        "RATE": str(rate),
        "DURATION": f"{seconds:.0f}s",
        "USERS": "5000",
        "SEED": "1",
    }
    return Measured([PYTHON, "-m", "clickstream_producer.main"], log=KEPT / "logs" / "producer.log", environ=environ)


def _latencies(cluster: Cluster, pipeline: Pipeline, windows: int) -> tuple[list[float], list[float]]:
    """Seconds from each window's end to its record's timestamp, and to the moment at which it was read."""
    written: list[float] = []
    visible: list[float] = []
    deadline = time.monotonic() + 600
    with cluster.reader(pipeline.metrics) as consumer:
        while len(written) < windows + _SKIPPED_AT_START:
            for record in decoded(consumer.poll(timeout_ms=20)):
                now = time.time()
                metrics = decode_window_metrics(record.value)
                if metrics.revision == 0:
                    end = parse_timestamp(metrics.window_end)
                    written.append((record.timestamp - end) / 1000)
                    visible.append(now - end / 1000)
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(written)} windows in ten minutes")
    return written[_SKIPPED_AT_START:], visible[_SKIPPED_AT_START:]


def _percentile(values: Sequence[float], percent: int) -> float:
    """The percentile by nearest rank."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


if __name__ == "__main__":
    sys.exit(main())
