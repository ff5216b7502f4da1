"""An EC2 instance that is a folder: its user data runs as it is, and its units are started as systemd would.

Stand-ins on the PATH take the place of what needs root or the machine itself (dnf, mount, systemctl, …). Jars come by
HTTP from a server of this machine, in Maven Central's layout; openssl, curl, sha256sum, java and Kafka are real.
"""

import configparser
import hashlib
import os
import shlex
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from clickstream_local.children import Child
from clickstream_local.ports import free_port

REPOSITORY = Path(__file__).parents[2]
LOCK = REPOSITORY / "infra/modules/kafka-ec2/jars.lock"
_CENTRAL = "https://repo1.maven.org/maven2"
_FETCHED = REPOSITORY / ".local/instance"
_STAND_INS = {
    "dnf": "exit 0",
    "useradd": "exit 0",
    "blkid": "exit 2",
    "mkfs.xfs": "exit 0",
    "mount": "exit 0",
    "mountpoint": "exit 0",
    "chown": "exit 0",
    "systemctl": "exit 0",
    # The AWS CLI, as far as setup.sh uses it.
    "aws": f"""exec {sys.executable} - "$@" <<'PYTHON'
import sys, boto3
from pathlib import Path
assert sys.argv[1:3] == ["secretsmanager", "put-secret-value"], sys.argv
given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
content = Path(given["--secret-string"].removeprefix("file://")).read_text()
client = boto3.client("secretsmanager", region_name=given["--region"])
print(client.put_secret_value(SecretId=given["--secret-id"], SecretString=content)["VersionId"])
PYTHON""",
}


class JarsMissing(Exception):
    """A jar of the lock is neither on this machine nor to be had from Maven Central."""


def locked_jars() -> list[tuple[str, str, str]]:
    """SHA-256, path on the instance and folder on Maven Central, of each jar."""
    rows = [line.split("  ") for line in LOCK.read_text(encoding="utf-8").splitlines()]
    return [(sha256, path, folder) for sha256, path, folder in rows]


@cache
def _jars_here() -> dict[str, Path]:
    found = {}
    for jar in (REPOSITORY / ".local").rglob("*.jar"):
        with jar.open("rb") as content:
            found[hashlib.file_digest(content, "sha256").hexdigest()] = jar
    return found


@contextmanager
def maven_central(damaged: str = "") -> Iterator[str]:
    """The address of a server with the jars of the lock; `damaged` names one that is sent with a byte too many.

    Jars that no other test has fetched are fetched once. Raises JarsMissing.
    """
    served: dict[str, Path] = {}
    for sha256, path, folder in locked_jars():
        name = path.rpartition("/")[2]
        jar = _jars_here().get(sha256) or _fetched(f"{folder}/{name}", sha256)
        served[f"/{folder}/{name}"] = jar

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            jar = served.get(self.path)
            content = jar.read_bytes() if jar else b""
            if damaged and self.path.endswith(f"/{damaged}"):
                content += b"!"
            self.send_response(200 if jar else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Not a line for each jar."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()


def _fetched(path: str, sha256: str) -> Path:
    target = _FETCHED / path.rpartition("/")[2]
    if not target.exists():
        try:
            with urllib.request.urlopen(f"{_CENTRAL}/{path}", timeout=60) as answer:
                content = answer.read()
        except OSError as error:
            raise JarsMissing(f"{path} is not on this machine, and Maven Central can't be reached: {error}") from error
        assert hashlib.sha256(content).hexdigest() == sha256, path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


class Instance:
    """A machine whose root is `folder`. `environ` has AWS's address and the key of the instance's role."""

    def __init__(self, folder: Path, user_data: str, environ: Mapping[str, str], java: Path) -> None:
        self.root = folder / "root"
        self.ports = {name: free_port() for name in ("PORT", "LOCAL_PORT", "CONTROLLER_PORT", "CONNECT_PORT")}
        self.address = f"127.0.0.1:{self.ports['PORT']}"
        self._script = folder / "user-data.sh"
        self._script.write_text(user_data, encoding="utf-8")
        self._java = java
        self._environ = {**os.environ, **environ}
        self._logs = folder
        (self.root / "etc").mkdir(parents=True)
        (self.root / "etc/fstab").touch()
        stand_ins = folder / "stand-ins"
        stand_ins.mkdir()
        for name, lines in _STAND_INS.items():
            calls = f'echo {name} "$@" >>{shlex.quote(str(folder / "calls"))}'
            (stand_ins / name).write_text(f"#!/bin/bash\n{calls}\n{lines}\n", encoding="utf-8")
            (stand_ins / name).chmod(0o755)
        (stand_ins / "java").symlink_to(java)
        self._path = f"{stand_ins}:{os.environ['PATH']}"

    def boot(self, maven: str) -> tuple[int, str]:
        """Run the user data as cloud-init does, on other ports; its exit status and what it printed."""
        settings = {
            "ROOT": str(self.root),
            "ADDRESS": "127.0.0.1",
            "DEVICE": "/dev/null",
            "MAVEN": maven,
            **{name: str(port) for name, port in self.ports.items()},
        }
        done = subprocess.run(
            ["bash", str(self._script)],
            env={**self._environ, **settings, "PATH": self._path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout

    def calls(self, program: str) -> list[str]:
        """The arguments with which a stand-in was called."""
        lines = (self._logs / "calls").read_text(encoding="utf-8").splitlines()
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == program]

    def run(self, unit: str) -> tuple[int, str]:
        """Run a unit that ends; its exit status and what it printed."""
        done = subprocess.run(
            self._command(unit),
            env=self._unit_environ(unit),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    @contextmanager
    def running(self, unit: str) -> Iterator[Child]:
        """Start a unit, and end it as systemd does."""
        child = Child(unit, self._command(unit), log=self._logs / f"{unit}.log", environ=self._unit_environ(unit))
        try:
            yield child
        finally:
            child.stop(30)

    def _unit(self, name: str) -> configparser.RawConfigParser:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(self.root / f"etc/systemd/system/{name}.service", encoding="utf-8")
        return parser

    def _command(self, unit: str) -> list[str | Path]:
        words = shlex.split(self._unit(unit)["Service"]["ExecStart"])
        return [self._java if word == "/usr/bin/java" else word for word in words]

    def _unit_environ(self, unit: str) -> dict[str, str]:
        file = self._unit(unit)["Service"].get("EnvironmentFile")
        lines = Path(file).read_text(encoding="utf-8").splitlines() if file else []
        return {**self._environ, "PATH": self._path, **dict(line.split("=", 1) for line in lines)}
