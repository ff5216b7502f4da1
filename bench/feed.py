"""Loads a file of lines `key <tab> value` into a topic, with confluent-kafka: it runs in .venv-bench.

Partitions are chosen as the Java client does; batches are those of a busy producer (64 KiB).
"""

import json
import sys
from pathlib import Path
from typing import Any

from confluent_kafka import Producer  # type: ignore[import-not-found]


class Feed:
    """Sends records to one topic as fast as it can; `finish` proves that all have arrived."""

    def __init__(self, bootstrap_servers: str, topic: str, compression: str) -> None:
        self._topic = topic
        self._failures: list[str] = []
        self._sent = 0
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "compression.type": compression,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 50,
                "batch.size": 65_536,
                "queue.buffering.max.messages": 200_000,
                "log_level": 3,
            }
        )

    def send(self, key: bytes, value: bytes, **partition: int) -> None:
        """Send one record, to the partition of its key unless one is given."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered, **partition)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._sent += 1
        if self._sent % 1000 == 0:
            self._producer.poll(0)

    def finish(self) -> None:
        """Wait until everything was acknowledged. Raises RuntimeError when something was refused."""
        self._producer.flush()
        if self._failures:
            raise RuntimeError(f"{len(self._failures)} records were not delivered, the first: {self._failures[0]}")

    def _delivered(self, error: Any, _: Any) -> None:
        if error is not None:
            self._failures.append(str(error))


def main() -> None:
    """Take broker, topic, compression, file, and the records at the end as JSON [[partition, key, value]]."""
    bootstrap_servers, topic, compression, path, ending = sys.argv[1:]
    feed = Feed(bootstrap_servers, topic, compression)
    with Path(path).open("rb") as lines:
        for line in lines:
            key, _, value = line.rstrip(b"\n").partition(b"\t")
            feed.send(key, value)
    feed.finish()  # the ending has to come after everything else
    for partition, key, value in json.loads(ending):
        feed.send(key.encode(), value.encode(), partition=partition)
    feed.finish()


if __name__ == "__main__":
    main()
