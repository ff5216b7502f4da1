"""A SeaweedFS for tests: S3 and an Iceberg REST catalog on 127.0.0.1, in a folder of the test run."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "clickstream", "clickstream-local"
BUCKET = "clickstream-archive"
_PORTS = ("s3.port", "s3.port.iceberg", "master.port", "volume.port", "filer.port", "admin.port")
_GRPC_OFFSET = 10_000
_DEADLINE_S = 60.0


@dataclass(frozen=True)
class SeaweedFS:
    """A running SeaweedFS; `environ` are the settings of an archive in it."""

    s3: str
    catalog: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CATALOG_TYPE": "rest",
            "CATALOG_URI": self.catalog,
            "CATALOG_CREDENTIAL": f"{KEY}:{SECRET}",
            "WAREHOUSE": f"s3://{BUCKET}",
            "S3_ENDPOINT": self.s3,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }


@contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """Start one, and stop it after the block."""
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "data").mkdir(parents=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("weed")),
        "mini",
        "-dir=data",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-metricsPort=0",
        "-s3.config=s3.json",
        f"-tableBucket={BUCKET}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        found = SeaweedFS(f"http://127.0.0.1:{ports['s3.port']}", f"http://127.0.0.1:{ports['s3.port.iceberg']}")
        try:
            _wait(process, found, folder / "log")
            yield found
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], found: SeaweedFS, log: Path) -> None:
    """Return when the catalog gives a token and has the table bucket, which is made last."""
    deadline = time.monotonic() + _DEADLINE_S
    form = f"grant_type=client_credentials&client_id={KEY}&client_secret={SECRET}".encode()
    while True:
        try:
            with urllib.request.urlopen(f"{found.catalog}/v1/oauth/tokens", data=form, timeout=2) as answer:
                token = json.load(answer)["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            request = urllib.request.Request(f"{found.catalog}/v1/{BUCKET}/namespaces", headers=headers)
            with urllib.request.urlopen(request, timeout=2):
                return
        except OSError:
            text = log.read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, f"SeaweedFS ended:\n{text[-2000:]}"
            assert time.monotonic() < deadline, f"SeaweedFS does not answer:\n{text[-2000:]}"
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports that are free, with those for gRPC 10,000 above, out of the range that the system gives to clients."""
    found: list[int] = []
    for port in range(20_000 + 7 * (time.time_ns() % 300), 22_700):
        if _is_free(port) and _is_free(port + _GRPC_OFFSET):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports for SeaweedFS")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
