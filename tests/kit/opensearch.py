"""A real OpenSearch for tests, from Maven's distribution, on 127.0.0.1, not as root.

`python -m kit.opensearch`, run in tests, writes the lock of the distribution.
"""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.maven import locked_jars, write_lock
from kit.poll import eventually

VERSION = "2.19.6"
_COORDINATES = (f"org.opensearch.distribution.integ-test-zip:opensearch:{VERSION}::zip",)
_LOCK = Path(__file__).with_name(f"opensearch-{VERSION}.lock")
_JVM = ("-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_READY_S = 120.0
_NOBODY = 65534
"""OpenSearch does not start as root."""


def distribution(directory: Path) -> Path:
    """The zip file, downloaded into `directory` if it is not there yet, compared with the lock each time."""
    (found,) = locked_jars(_COORDINATES, directory / f"zip-{VERSION}", _LOCK, alone=True)
    return found


class OpenSearch(AbstractContextManager["OpenSearch"]):
    """A node that a test may kill and start again on the same port. For a with statement."""

    def __init__(self, java: Path, archive: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Not in a test's folder, which is its user's alone.
        self._folder = Path(tempfile.mkdtemp(prefix="opensearch-"))
        self.log = self._folder / "output.log"
        self._java = java
        with zipfile.ZipFile(archive) as files:
            files.extractall(self._folder)
        self._home = self._folder / f"opensearch-{VERSION}"
        settings = {
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "discovery.type": "single-node",
            "http.port": self.port,
            "network.host": "127.0.0.1",
            "path.data": str(self._folder / "data"),
            "transport.port": free_port(),
        }
        lines = [f"{name}: {json.dumps(value)}\n" for name, value in settings.items()]
        (self._home / "config" / "opensearch.yml").write_text("".join(lines), encoding="utf-8")
        if os.geteuid() == 0:
            self._folder.chmod(0o755)
            subprocess.run(["chown", "-R", f"{_NOBODY}:{_NOBODY}", self._folder], check=True, timeout=60)
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        as_nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig=TERM"]
        command: list[str | Path] = [
            *(as_nobody if os.geteuid() == 0 else []),
            *(self._java, *_JVM, f"-Dopensearch.path.home={self._home}"),
            *(f"-Dopensearch.path.conf={self._home / 'config'}", f"-Djava.io.tmpdir={self._folder}"),
            *("-cp", f"{self._home / 'lib'}/*", "org.opensearch.bootstrap.OpenSearch"),
        ]
        child = Child("opensearch", command, log=self.log, directory=self._folder)
        self._child = child

        def ready() -> bool:
            if not child.running:
                raise RuntimeError(f"OpenSearch ended:\n{child.last_lines(40)}")
            try:
                return self.ask("/_cluster/health")["status"] in ("yellow", "green")
            except OSError:
                return False

        eventually(ready, _READY_S, every=0.2)

    def kill(self) -> None:
        """kill -9."""
        if self._child is not None:
            self._child.kill()

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """The JSON that it answers; raises HTTPError (an OSError) for a status of 400 or more."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def documents(self, index: str) -> list[dict[str, Any]]:
        """All documents of an index, up to 10,000; none if there is no such index."""
        try:
            self.ask(f"/{index}/_refresh", method="POST")
            found = self.ask(f"/{index}/_search", {"size": 10_000, "query": {"match_all": {}}})
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise AssertionError(error.read().decode()) from error
            return []
        return [dict(each["_source"]) for each in found["hits"]["hits"]]


if __name__ == "__main__":
    write_lock(_COORDINATES, _LOCK, f"`python -m kit.opensearch` (in tests) found for OpenSearch {VERSION}", alone=True)
