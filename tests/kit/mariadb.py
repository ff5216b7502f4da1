"""A real MariaDB for tests, on 127.0.0.1, in a folder of the test run (Debian's packages; see CONTRIBUTING.md)."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pymysql

from clickstream_local.children import Child
from clickstream_local.ports import free_port
from kit.poll import eventually
from kit.skipping import skip

_PACKAGES = "mariadb-server-core mariadb-client-core"
_READY_S = 60.0
_STOP_S = 20.0
_USER, _PASSWORD = "clickstream", "s3cret"


@dataclass
class MariaDB:
    """A server that a test may stop, kill, pause and start again on the same port and folder."""

    folder: Path
    program: str
    port: int
    child: Child | None = None

    def url(self, database: str, password: str = _PASSWORD) -> str:
        """The address of a database of this server for a user who may use only that."""
        return f"mariadb://{_USER}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        command = [self.program, "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}"]
        command += ["--bind-address=127.0.0.1", f"--socket={self.folder}/socket", "--user=root", "--skip-log-bin"]
        command += ["--innodb-buffer-pool-size=32M", "--innodb-flush-method=nosync", "--skip-name-resolve"]
        command += ["--innodb-flush-log-at-trx-commit=2", "--skip-innodb-doublewrite", "--aria-recover-options=OFF"]
        self.child = Child("mariadbd", command, log=self.folder / "log")
        eventually(self._answers, _READY_S)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop(_STOP_S)

    def kill(self) -> None:
        assert self.child is not None
        self.child.kill()

    def pause(self) -> None:
        """Stop it where it is, as a machine that hangs; `resume` lets it go on."""
        assert self.child is not None
        self.child.send(signal.SIGSTOP)
        process = psutil.Process(self.child.pid)
        eventually(lambda: process.status() == psutil.STATUS_STOPPED, _STOP_S)

    def resume(self) -> None:
        assert self.child is not None
        self.child.send(signal.SIGCONT)

    def make_database(self, name: str) -> str:
        """Make an empty database, and return its address."""
        self.run(
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
            f"GRANT ALL ON {name}.* TO '{_USER}'@'%' IDENTIFIED BY '{_PASSWORD}'",
        )
        return self.url(name)

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as root; return the rows of the last."""
        with (
            pymysql.connect(host="127.0.0.1", port=self.port, user="root", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def _answers(self) -> bool:
        assert self.child is not None
        if not self.child.running:
            raise RuntimeError(f"mariadbd ended:\n{self.child.last_lines()}")
        try:
            self.run("SELECT 1")
        except pymysql.err.OperationalError:
            return False
        return True


@contextmanager
def mariadb(folder: Path) -> Iterator[MariaDB]:
    """Run one; where there is none the test is skipped and says what to install."""
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin") or shutil.which("mariadbd")
    if program is None or shutil.which("mariadb-install-db") is None:
        skip(f"there is no MariaDB on this machine; Debian and Ubuntu have it: apt-get install {_PACKAGES}")
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--user=root", "--skip-test-db"]
    install += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    server = MariaDB(folder, program, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
