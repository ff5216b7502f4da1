"""Kafka's own command line tools: what its image has in /opt/kafka/bin, as the scripts there start it.

They are one jar beside those of the broker.
`python -m kit.console`, run in tests, writes the lock of their jars.
"""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from clickstream_local.jars import KAFKA_VERSION
from clickstream_local.java import find_java
from kit.maven import locked_jars, write_lock

_MAIN_CLASSES = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
_COORDINATES = [f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}"]
_LOCK = Path(__file__).with_name(f"kafka-tools-{KAFKA_VERSION}.lock")
_FOLDER = Path(__file__).parents[2] / ".local" / "kafka" / f"tools-{KAFKA_VERSION}"
_OPTIONS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def run_console(jars: Iterable[Path], script: str, arguments: Sequence[str], *, typed: str = "") -> str:
    """Run one of the scripts of `_MAIN_CLASSES` to its end, with `typed` as its input; return what it prints.

    `jars` are the broker's.
    """
    class_path = ":".join(str(each) for each in (*locked_jars(_COORDINATES, _FOLDER, _LOCK, alone=True), *jars))
    command: list[str | Path] = [find_java(), *_OPTIONS, "-cp", class_path, _MAIN_CLASSES[script], *arguments]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{script} {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    command = f"`python -m kit.console` (in tests) found for Apache Kafka's tools {KAFKA_VERSION}"
    write_lock(_COORDINATES, _LOCK, command, alone=True)
