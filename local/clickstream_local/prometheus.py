"""Prometheus on this machine, for `--monitoring`: it scrapes the apps and evaluates the alert rules.

An installed Prometheus is used; none is downloaded. Its configuration is JSON, a subset of YAML. It runs in its folder
and uses relative paths, so the folder can have any name: rule_files would read special characters as a pattern. The
rules are those of monitoring/alerts.yaml, a PrometheusRule, whose spec is a rule file.
"""

import json
import shutil
import textwrap
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from clickstream_core.listening import LOOPBACK, bracketed, url_host
from clickstream_local.children import Child
from clickstream_local.errors import PrometheusFailed

ALERTS = Path(__file__).parents[2] / "monitoring" / "alerts.yaml"
NAMESPACE = "local"
"""The label that Prometheus gets from Kubernetes on a cluster; dashboard and alerts group by it."""

_READY_TIMEOUT_S = 30.0
_STOP_GRACE_S = 15.0


def find_prometheus() -> Path | None:
    found = shutil.which("prometheus")
    return Path(found) if found else None


def rule_file(alerts: str) -> str:
    """Return the rules of a PrometheusRule as a rule file: the content of its `spec`, which comes last."""
    return textwrap.dedent(alerts.partition("\nspec:\n")[2])


@dataclass
class Prometheus:
    """A Prometheus with its configuration and data in `directory`, listening on the address `host`.

    `targets` are addresses (host:port) by job; `rules` is the text of a rule file; `interval` is how often targets are
    scraped and rules evaluated. `honored` are jobs with honor_labels, for exporters of other programs' metrics.
    """

    directory: Path
    _: KW_ONLY
    executable: Path
    port: int
    targets: Mapping[str, str]
    rules: str
    log: Path
    interval: str = "5s"
    honored: Sequence[str] = ()
    host: str = LOOPBACK
    _child: Child | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://{url_host(self.host)}:{self.port}"

    @property
    def child(self) -> Child:
        """Its process. Raises PrometheusFailed if it was never started."""
        if self._child is None:
            raise PrometheusFailed("Prometheus was not started: call start() first")
        return self._child

    def start(self) -> None:
        """Start it and wait until it is ready. Raises PrometheusFailed with the end of its log."""
        directory = self.directory.resolve()
        directory.mkdir(parents=True, exist_ok=True)
        rules = directory / "rules.yaml"
        rules.write_text(self.rules, encoding="utf-8")
        configuration = directory / "prometheus.json"
        configuration.write_text(json.dumps(self._configuration(rules), indent=2), encoding="utf-8")
        self._child = Child(
            "Prometheus",
            [
                self.executable.absolute(),
                f"--config.file={configuration.name}",
                "--storage.tsdb.path=data",
                "--storage.tsdb.retention.time=7d",
                "--storage.tsdb.retention.size=1GB",
                f"--web.listen-address={bracketed(self.host)}:{self.port}",
                "--log.level=warn",
            ],
            log=self.log,
            directory=directory,
        )
        if why := self._child.wait_until(self._is_ready, _READY_TIMEOUT_S):
            late = f"was not ready after {_READY_TIMEOUT_S:g} s" if why == "running" else f"ended ({why})"
            raise PrometheusFailed(f"Prometheus {late}. The end of {self.log}:\n{self._child.last_lines()}")

    def stop(self) -> None:
        """Stop it. Does nothing if it was not started or has already ended."""
        if self._child is not None:
            self._child.stop(_STOP_GRACE_S)

    def _configuration(self, rules: Path) -> dict[str, object]:
        return {
            "global": {"scrape_interval": self.interval, "evaluation_interval": self.interval},
            "rule_files": [rules.name],
            "scrape_configs": [
                {
                    "job_name": job,
                    "scrape_timeout": self.interval,
                    "honor_labels": job in self.honored,
                    "static_configs": [{"targets": [address], "labels": {"namespace": NAMESPACE}}],
                }
                for job, address in self.targets.items()
            ],
        }

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                return True
        except OSError:
            return False
