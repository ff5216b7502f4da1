"""Jars of older Kafkas than the embedded one: `pytest --kafka 3.9.2 …` runs tests on a broker of that version.

3.9 is the last version whose group coordinator is the classic one unless told otherwise. Each version has a lock beside
this module, as `sha256sum --check` reads it; `python -m kit.kafka_versions 3.9.2`, run in tests, writes it.
"""

import sys
from pathlib import Path

from clickstream_local.jars import KAFKA_VERSION, kafka_jars
from kit.maven import locked_jars, write_lock


def jars_of(version: str, directory: Path) -> tuple[Path, ...]:
    """The jars of that version of Kafka, downloaded into `directory` if they are not there yet.

    They are compared with the lock each time; raises AssertionError if they differ.
    """
    if version == KAFKA_VERSION:
        return kafka_jars(directory)
    return locked_jars(_coordinates(version), directory / f"jars-{version}", _lock(version))


def _coordinates(version: str) -> list[str]:
    return [f"org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36"]


def _lock(version: str) -> Path:
    return Path(__file__).with_name(f"kafka-{version}.lock")


if __name__ == "__main__":
    wanted = sys.argv[1]
    command = f"`python -m kit.kafka_versions {wanted}` (in tests) found for Apache Kafka {wanted}"
    write_lock(_coordinates(wanted), _lock(wanted), command)
