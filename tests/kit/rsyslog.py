"""A real rsyslogd with a configuration of shippers/rsyslog, in a folder of a test's own."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from clickstream_local.children import Child
from kit.nginx import LOGS, program
from kit.skipping import skip

SHIPPER = Path(__file__).parents[2] / "shippers" / "rsyslog"
_SPOOL = "/var/spool/clickstream-shipper"
_MODULES = {"omkafka": "rsyslog-kafka", "omelasticsearch": "rsyslog-elasticsearch"}


class Rsyslog(AbstractContextManager["Rsyslog"]):
    """The shipper as its unit starts it: `rewind` first, then rsyslogd. For a with statement.

    `environ` are the settings of shipper.env, `logs` is the folder of the log.
    """

    def __init__(
        self,
        directory: Path,
        configuration: str,
        environ: Mapping[str, str],
        *,
        logs: Path,
    ) -> None:
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        self.output = directory / "output.log"
        self._logs = logs
        self._environ = environ
        self._configuration = directory / configuration
        text = (SHIPPER / configuration).read_text(encoding="utf-8")
        text = text.replace(_SPOOL, str(self.work)).replace(LOGS, str(logs))
        self._configuration.write_text(text, encoding="utf-8")
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    @property
    def child(self) -> Child:
        """Its process."""
        assert self._child is not None
        return self._child

    def start(self) -> str:
        """Start it; return what `rewind` prints."""
        executable = program("rsyslogd", "rsyslog")
        command = [SHIPPER / "rewind", self.work, self._logs]
        rewound = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        arguments = ["-n", "-f", str(self._configuration), "-i", str(self.work / "rsyslogd.pid")]
        environ = {"PATH": os.environ["PATH"], **self._environ}
        self._child = Child("rsyslogd", [str(executable), *arguments], log=self.output, environ=environ)
        return rewound.stdout

    def said(self) -> str:
        """What it has said of itself."""
        logs = (self.output, self.work / "shipper.log", self.work / "outages")
        return "".join(each.read_text(encoding="utf-8") for each in logs if each.exists())

    def stop(self) -> int | None:
        """SIGTERM; its exit status, or None if it goes on for 15 s and is then killed, as its unit does."""
        self.child.send(signal.SIGTERM)
        status = self.child.wait(15)
        self.kill()
        return status

    def kill(self) -> None:
        """kill -9."""
        if self._child is not None:
            self._child.kill()


def module(name: str) -> None:
    """Skip the test if rsyslog's module is not installed."""
    if not any(Path(each, "rsyslog", f"{name}.so").exists() for each in Path("/usr/lib").glob("*-linux-gnu")):
        skip(f"rsyslog has no {name}; Debian's package {_MODULES[name]} has it")
