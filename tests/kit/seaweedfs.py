"""The launcher's SeaweedFS for tests: S3 and an Iceberg REST catalog on free ports, in a folder of the test run."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_local.archive_place import BUCKET, LOCAL_KEY, LOCAL_SECRET, Place, seaweedfs_place
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
            return server.ready() and _has_table_bucket(catalog_port)

        eventually(ready, _DEADLINE_S, every=0.1)
        yield seaweedfs_place(s3_port, catalog_port)
    finally:
        child.stop(_STOP_S)


def _has_table_bucket(catalog_port: int) -> bool:
    """Whether the catalog knows the bucket, which is made last."""
    catalog = f"http://127.0.0.1:{catalog_port}/v1"
    form = f"grant_type=client_credentials&client_id={LOCAL_KEY}&client_secret={LOCAL_SECRET}".encode()
    try:
        with urllib.request.urlopen(f"{catalog}/oauth/tokens", data=form, timeout=2) as answer:
            headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}
        asked = urllib.request.Request(f"{catalog}/{BUCKET}/namespaces", headers=headers)
        with urllib.request.urlopen(asked, timeout=2):
            return True
    except OSError:
        return False
