"""What an app needs to be exactly-once is in clickstream_kafka: `upper_casing`, beside this file, is such an app."""

import uuid
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from kit.poll import eventually
from kit.processes import App, Apps
from kit.topics import ToSend, read_all, send

PARTITIONS = 3
LINES = 200


class Lines:
    """The app's topics, and what was written to the first two: every tenth line is no text."""

    def __init__(self, broker: Broker) -> None:
        prefix = f"t{uuid.uuid4().hex[:10]}"
        self.servers = broker.bootstrap_servers
        self.sources = f"{prefix}-first", f"{prefix}-second"
        self.results, self.dead_letters = f"{prefix}-results", f"{prefix}-dead-letters"
        names = (*self.sources, self.results, self.dead_letters)
        create_missing({"bootstrap_servers": [self.servers]}, [Topic(name, PARTITIONS) for name in names])
        self.environ = {
            "KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "GROUP_ID": prefix,
            "SOURCES": ",".join(self.sources),
            "RESULTS": self.results,
            "DEAD_LETTERS": self.dead_letters,
            "PYTHONPATH": str(Path(__file__).parent),
        }
        self.written: list[bytes] = []
        self._numbers: Iterator[int] = count()

    def start(self, apps: Apps, **settings: str) -> App:
        return apps.start("upper_casing", environ=self.environ, **settings)

    def write(self) -> None:
        for source in self.sources:
            numbers = [next(self._numbers) for _ in range(LINES)]
            values = [b"\xffline %d" % number if number % 10 == 0 else b"line %d" % number for number in numbers]
            send(self.servers, source, [ToSend(value, key=value) for value in values])
            self.written += values

    def output(self) -> tuple[Counter[bytes | None], Counter[bytes | None]]:
        """The committed results and dead letters, with how many times each is there."""
        results, dead_letters = (read_all(self.servers, topic) for topic in (self.results, self.dead_letters))
        return Counter(each.value for each in results), Counter(each.value for each in dead_letters)

    def all_processed(self) -> bool:
        return sum(len(each) for each in self.output()) == len(self.written)


def test_each_record_has_one_result_though_replicas_die_in_transactions_and_are_paused(
    broker: Broker, apps: Apps
) -> None:
    lines = Lines(broker)
    lines.write()
    lines.start(apps, DIE_IN_TRANSACTION="1").expect_exit(-9, 30)
    assert read_all(lines.servers, lines.results, "read_uncommitted")

    paused = lines.start(apps)
    other = lines.start(apps)
    paused.wait_until_ready()
    other.wait_until_ready()
    lines.write()
    paused.pause()
    lines.write()
    eventually(lines.all_processed, 60, every=0.5)
    paused.resume()
    lines.write()
    eventually(lines.all_processed, 60, every=0.5)
    other.kill()
    lines.write()
    paused.wait_until_ready()
    eventually(lines.all_processed, 60, every=0.5)

    paused.stop()
    text = [value for value in lines.written if value.startswith(b"line")]
    assert lines.output() == (Counter(map(bytes.upper, text)), Counter(lines.written) - Counter(text))
