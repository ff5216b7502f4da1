"""Jars of older Kafkas than the embedded one: `pytest --kafka 3.9.2 …` runs tests on a broker of that version.

3.9 is the last version whose group coordinator is the classic one unless told otherwise. Each version has a lock beside
this module, as `sha256sum --check` reads it; `python -m kit.kafka_versions 3.9.2`, run in tests, writes it.
"""

import fcntl
import hashlib
import sys
import tempfile
from pathlib import Path

from clickstream_local.jars import KAFKA_VERSION, kafka_jars, read_lock
from kit.maven import fetch_jars


def jars_of(version: str, directory: Path) -> tuple[Path, ...]:
    """The jars of that version of Kafka, downloaded into `directory` if they are not there yet.

    They are compared with the lock each time; raises AssertionError if they differ.
    """
    if version == KAFKA_VERSION:
        return kafka_jars(directory)
    folder = directory / f"jars-{version}"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            fetch_jars(_coordinates(version), folder)
    found = _checksums(folder)
    assert found == read_lock(_lock(version)), f"the jars in {folder} are not those of {_lock(version).name}"
    return tuple(folder / name for name in found)


def _coordinates(version: str) -> list[str]:
    return [f"org.apache.kafka:kafka_2.13:{version}", "org.slf4j:slf4j-simple:1.7.36"]


def _lock(version: str) -> Path:
    return Path(__file__).with_name(f"kafka-{version}.lock")


def _checksums(folder: Path) -> dict[str, str]:
    return {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


def _write_lock(version: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        fetch_jars(_coordinates(version), Path(temporary, "jars"))
        checksums = _checksums(Path(temporary, "jars"))
    lines = [f"# What `python -m kit.kafka_versions {version}` (in tests) found for Apache Kafka {version}"]
    lines += [f"{sha256}  {name}" for name, sha256 in checksums.items()]
    _lock(version).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write_lock(sys.argv[1])
