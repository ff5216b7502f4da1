"""Sends events with kafka-python: `ack` waits for each acknowledgement, `async` does not.

Arguments: broker, topic, file of events, seconds, mode.
"""

import os
import sys
import time
from itertools import cycle, islice
from pathlib import Path

from kafka import KafkaProducer


def main() -> None:
    """Send for so many seconds, print the number before and after as `progress`."""
    bootstrap_servers, topic, path, seconds, mode = sys.argv[1:]
    with Path(path).open("rb") as lines:
        events = [line.rstrip(b"\n").partition(b"\t") for line in islice(lines, 50_000)]
    if mode == "ack":
        producer = KafkaProducer(bootstrap_servers=bootstrap_servers)
    else:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=20,
            batch_size=65_536,
        )
    producer.partitions_for(topic)
    os.write(1, b"progress 0\n")
    sent, end = 0, time.monotonic() + float(seconds)
    for key, _, value in cycle(events):
        future = producer.send(topic, value=value, key=key)
        if mode == "ack":
            future.get(timeout=10)
        sent += 1
        if time.monotonic() >= end:
            break
    producer.flush()
    os.write(1, f"progress {sent}\n".encode())
    time.sleep(2)  # so that it can still be looked at


if __name__ == "__main__":
    main()
