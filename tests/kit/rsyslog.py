"""A real rsyslogd with a configuration of shippers/rsyslog, in a folder of a test's own."""

import os
import re
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
_SPOOL = re.compile("/var/spool/clickstream-[a-z-]+")
_MODULES = {"omkafka": "rsyslog-kafka", "imkafka": "rsyslog-kafka", "omelasticsearch": "rsyslog-elasticsearch"}


def settings(file: str, **changed: str) -> dict[str, str]:
    """The settings of shipper.env or web-logs.env as they are shipped, with these changes."""
    lines = (SHIPPER / file).read_text(encoding="utf-8").splitlines()
    return dict(each.split("=", 1) for each in lines if not each.startswith("#")) | changed


class Rsyslog(AbstractContextManager["Rsyslog"]):
    """A shipper as its unit starts it: `rewind` first if it reads logs, then rsyslogd. For a with statement.

    `environ` are the settings of its .env file, `logs` is the folder of the log; `changed` replaces parts of the
    configuration's text.
    """

    def __init__(
        self,
        directory: Path,
        configuration: str,
        environ: Mapping[str, str],
        *,
        logs: Path | None = None,
        changed: Mapping[str, str] | None = None,
        rewinds: bool = True,
    ) -> None:
        self.work = directory / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.output = directory / "output.log"
        self._logs = logs
        self.environ = environ
        self._rewinds = rewinds
        self._configuration = directory / configuration
        text = (SHIPPER / configuration).read_text(encoding="utf-8")
        text = _SPOOL.sub(str(self.work), text).replace(LOGS, str(logs))
        for part, instead in (changed or {}).items():
            assert part in text, part
            text = text.replace(part, instead)
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
        rewound = ""
        if self._logs is not None and self._rewinds:
            command = [SHIPPER / "rewind", self.work, self._logs]
            rewound = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
        arguments = ["-n", "-f", str(self._configuration), "-i", str(self.work / "rsyslogd.pid")]
        environ = {"PATH": os.environ["PATH"], **self.environ}
        self._child = Child("rsyslogd", [str(executable), *arguments], log=self.output, environ=environ)
        return rewound

    def said(self) -> str:
        """What it has said of itself."""
        logs = (self.output, self.work / "shipper.log", self.work / "outages")
        return "".join(each.read_text(encoding="utf-8") for each in logs if each.exists())

    def stop(self, within_s: float = 15) -> int | None:
        """SIGTERM; its exit status, or None if it goes on for so long and is then killed, as its unit does."""
        self.child.send(signal.SIGTERM)
        status = self.child.wait(within_s)
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
