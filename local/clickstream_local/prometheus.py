"""Prometheus on this machine, for `--monitoring`: it asks the apps for their metrics and evaluates the alert rules.

It is used where it is installed, and not fetched. Its configuration is written as JSON, which YAML contains. It runs in
its folder and knows its files by relative names, so the folder may be called anything: in rule_files, signs of a path
make a pattern. The rules are those of monitoring/alerts.yaml, a resource of the Prometheus operator, whose spec is a
rule file.
"""

import json
import shutil
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from clickstream_core.listening import LOOPBACK, bracketed, url_host
from clickstream_local.children import Child
from clickstream_local.errors import PrometheusFailed

ALERTS = Path(__file__).parents[2] / "monitoring" / "alerts.yaml"
NAMESPACE = "local"
"""The label that the operator's Prometheus takes from Kubernetes; dashboard and alerts group by it."""

_READY_SECONDS = 30.0
_STOP_GRACE = 15.0


def find_prometheus() -> Path | None:
    """The installed Prometheus, or None."""
    found = shutil.which("prometheus")
    return Path(found) if found else None


def rule_file(alerts: str) -> str:
    """The rules of a PrometheusRule as Prometheus itself reads them: what is below its `spec`, its last part."""
    return textwrap.dedent(alerts.partition("\nspec:\n")[2])


class Prometheus:
    """A Prometheus with its configuration and data in `directory`, that listens on the address `host`.

    `targets` are addresses (host:port) by job; `rules` is the text of a rule file, `interval` how often targets are
    asked and rules evaluated. `honored` are jobs whose own labels win over those given here, as for exporters that
    speak of others.
    """

    def __init__(
        self,
        directory: Path,
        *,
        executable: Path,
        port: int,
        targets: Mapping[str, str],
        rules: str,
        log: Path,
        interval: str = "5s",
        honored: Sequence[str] = (),
        host: str = LOOPBACK,
    ) -> None:
        self._directory = directory.resolve()
        self._executable = executable
        self._port = port
        self._targets = targets
        self._rules = rules
        self._log = log
        self._interval = interval
        self._honored = honored
        self._host = host
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{url_host(self._host)}:{self._port}"

    @property
    def child(self) -> Child:
        """Its process. Raises PrometheusFailed when it was not started."""
        if self._child is None:
            raise PrometheusFailed("Prometheus was not started: call start() first")
        return self._child

    def start(self) -> None:
        """Start it and wait until it is ready. Raises PrometheusFailed with the end of its log."""
        self._directory.mkdir(parents=True, exist_ok=True)
        rules = self._directory / "rules.yaml"
        rules.write_text(self._rules, encoding="utf-8")
        configuration = self._directory / "prometheus.json"
        configuration.write_text(json.dumps(self._configuration(rules), indent=2), encoding="utf-8")
        self._child = Child(
            "Prometheus",
            [
                self._executable.absolute(),
                f"--config.file={configuration.name}",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=7d",
                "--storage.tsdb.retention.size=1GB",
                f"--web.listen-address={bracketed(self._host)}:{self._port}",
                "--log.level=warn",
            ],
            log=self._log,
            directory=self._directory,
        )
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self._child.kill()
            raise

    def stop(self) -> None:
        """End it. Not started, or ended already: nothing happens."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE)

    def _configuration(self, rules: Path) -> dict[str, object]:
        return {
            "global": {"scrape_interval": self._interval, "evaluation_interval": self._interval},
            "rule_files": [rules.name],
            "scrape_configs": [
                {
                    "job_name": job,
                    "scrape_timeout": self._interval,
                    "honor_labels": job in self._honored,
                    "static_configs": [{"targets": [address], "labels": {"namespace": NAMESPACE}}],
                }
                for job, address in self._targets.items()
            ],
        }

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not child.running:
                raise PrometheusFailed(
                    f"Prometheus ended ({child.describe_end()}). The end of {self._log}:\n{child.last_lines()}"
                )
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise PrometheusFailed(
            f"Prometheus was not ready after {_READY_SECONDS:g} s. The end of {self._log}:\n{child.last_lines()}"
        )
