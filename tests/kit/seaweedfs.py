"""The launcher's SeaweedFS for tests: S3 and an Iceberg REST catalog on free ports, in a folder of the test run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_local.archive_place import Place, seaweedfs_place
from clickstream_local.ports import free_port
from clickstream_local.seaweedfs import SeaweedFS, find_weed
from kit.poll import eventually

_DEADLINE_S = 60.0
_STOP_S = 10.0


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Place]:
    """Start one, yield it as the archive's place, and stop it after the block."""
    s3_port, catalog_port = free_port(), free_port()
    server = SeaweedFS(folder, executable=find_weed(), s3_port=s3_port, catalog_port=catalog_port, log=folder / "log")
    child = server.launch()
    try:

        def ready() -> bool:
            assert child.running, child.last_lines()
            return server.ready()

        eventually(ready, _DEADLINE_S, every=0.1)
        yield seaweedfs_place(s3_port, catalog_port)
    finally:
        child.stop(_STOP_S)
