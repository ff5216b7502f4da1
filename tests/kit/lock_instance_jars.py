"""Writes infra/modules/kafka-ec2/jars.lock: the jars of the instance, and where Maven Central has them.

A line is the SHA-256, the path on the instance and the folder on Maven Central. `make lock-jars` runs it, after the
locks of local/clickstream_local, whose jars these are; kafka-tools comes from its own POM, with all that it needs.
"""

import hashlib
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clickstream_local.jars import CONNECT, KAFKA, KAFKA_VERSION, resolve

LOCK = Path(__file__).parents[2] / "infra/modules/kafka-ec2/jars.lock"
_TOOLS = f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}"
_LIBRARIES = tuple(dict.fromkeys((_TOOLS, *KAFKA.coordinates[""], *CONNECT.coordinates["worker"])))
_FOLDERS = {
    "libs": _LIBRARIES,
    **{name: coordinates for name, coordinates in CONNECT.coordinates.items() if name != "worker"},
}


def lines(cache: Path) -> Iterator[str]:
    """Download each jar, and yield its line."""
    for folder, coordinates in _FOLDERS.items():
        for artifact in sorted(resolve(coordinates, cache), key=lambda each: each.filename):
            jar: Path = artifact.resolve()
            sha256 = hashlib.sha256(jar.read_bytes()).hexdigest()
            group = re.sub(r"\.", "/", artifact.groupId)
            yield f"{sha256}  {folder}/{artifact.filename}  {group}/{artifact.artifactId}/{artifact.version}"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = list(lines(Path(folder, "cache")))
    LOCK.write_text("\n".join(found) + "\n", encoding="utf-8")
    print(f"✓ {len(found)} jars are in {LOCK.name}: see what changed with git diff")
    return 0


if __name__ == "__main__":
    sys.exit(main())
