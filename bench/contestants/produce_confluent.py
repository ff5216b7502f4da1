"""Sends events with confluent-kafka, idempotent and compressed as the product's producer does; runs in .venv-bench.

Arguments: broker, topic, file of events, seconds.
"""

import os
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from confluent_kafka import Producer  # type: ignore[import-not-found]


def main() -> None:
    """Send for so many seconds, print the number before and after as `progress`."""
    bootstrap_servers, topic, path, seconds = sys.argv[1:]
    with Path(path).open("rb") as lines:
        events = [line.rstrip(b"\n").partition(b"\t") for line in islice(lines, 50_000)]
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "batch.size": 65_536,
            "log_level": 3,
        }
    )
    producer.list_topics(topic)
    os.write(1, b"progress 0\n")
    sent, end = 0, time.monotonic() + float(seconds)
    for key, _, value in cycle(events):
        try:
            producer.produce(topic, value, key)
        except BufferError:
            producer.poll(0.01)
            continue
        sent += 1
        if sent % 1000 == 0:
            producer.poll(0)
            if time.monotonic() >= end:
                break
    producer.flush()
    os.write(1, f"progress {sent}\n".encode())
    time.sleep(2)  # so that it can still be looked at


if __name__ == "__main__":
    main()
