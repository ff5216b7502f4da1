"""Helm for the tests, and the charts that it renders, without a cluster.

Helm is taken from the PATH, else built from its Go module into .local/bin, which takes two minutes once.
"""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

VERSION = "v3.22.0"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast
_MODULE = f"helm.sh/helm/v3/cmd/helm@{VERSION}"


class HelmMissing(Exception):
    """There is no Helm, and it can't be built; the message says what is missing."""


def find_helm(directory: Path) -> Path:
    """Return Helm's executable; one that has to be built is kept in `directory`. Raises HelmMissing."""
    found = shutil.which("helm")
    if found:
        return Path(found)
    built = directory / f"helm-{VERSION}"
    if built.exists():
        return built
    go = shutil.which("go")
    if go is None:
        raise HelmMissing("there is neither helm on the PATH nor go to build it with")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            _build(go, built)
    return built


def _build(go: str, target: Path) -> None:
    workshop = target.with_name("helm.partial")
    settings = {"GOBIN": str(workshop), "GOFLAGS": "-mod=mod -trimpath", "CGO_ENABLED": "0"}
    done = subprocess.run([go, "install", _MODULE], env=os.environ | settings, capture_output=True, text=True)
    if done.returncode:
        raise HelmMissing(f"helm is not on the PATH, and go install {_MODULE} failed: {done.stderr.strip()[-300:]}")
    (workshop / "helm").rename(target)
    shutil.rmtree(workshop, ignore_errors=True)


@dataclass(frozen=True)
class Charts:
    """A copy of charts/ and monitoring/ with their dependencies built, and Helm with a home of its own."""

    executable: Path
    directory: Path
    _rendered: dict[tuple[str, ...], str] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path, executable: Path, workshop: Path) -> "Charts":
        """Copy the repository's charts into `workshop` and put the library chart into each that asks for it."""
        unbuilt = shutil.ignore_patterns("*.tgz")
        for folder in ("charts", "monitoring"):
            shutil.copytree(root / folder, workshop / folder, ignore=unbuilt)
        charts = cls(executable, workshop / "charts")
        for chart in sorted(workshop.glob("**/Chart.lock")):
            charts.run("dependency", "build", str(chart.parent)).check_returncode()
        return charts

    def path(self, chart: str) -> Path:
        """The folder of a chart."""
        beside = self.directory.with_name(chart.removeprefix("clickstream-"))
        return beside if (beside / "Chart.yaml").exists() else self.directory / chart

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Helm; without a cluster unless `variables` name one."""
        homes = {f"HELM_{name}_HOME": str(self.directory.parent / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory.parent), "KUBECONFIG": os.devnull}
        return subprocess.run(
            [self.executable, *arguments], env=environment | homes | variables, capture_output=True, text=True
        )

    def template(self, chart: str, *arguments: str, release: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `helm template` on `chart` in namespace kafka; the release is called like the chart."""
        return self.run("template", release or chart, str(self.path(chart)), "--namespace", "kafka", *arguments)

    def objects(self, chart: str, *arguments: str, release: str | None = None) -> list[dict[str, Any]]:
        """Return the output of `helm template`, hooks included; cached."""
        asked = (chart, release or chart, *arguments)
        if asked not in self._rendered:
            done = self.template(chart, *arguments, release=release)
            assert done.returncode == 0, done.stderr
            self._rendered[asked] = done.stdout
        return [document for document in yaml.load_all(self._rendered[asked], _Loader) if document]
