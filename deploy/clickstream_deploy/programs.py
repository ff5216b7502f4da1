"""helm and kubectl kustomize."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clickstream_deploy.errors import EndedError

HELM_AT_LEAST = (3, 13)
_NEWER_HELM = f"install helm {HELM_AT_LEAST[0]}.{HELM_AT_LEAST[1]} or newer"
_HELM_PAGE = "(https://helm.sh/docs/intro/install/)"


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it printed."""

    status: int
    output: str
    error: str = ""


class Running(Protocol):
    """A program that runs."""

    def done(self) -> Done | None:
        """Return how it ended, None while it runs; output and errors are both in `output`."""
        ...

    def stop(self) -> None:
        """End it; helm marks the release as failed then, and the next setup.sh goes on from there."""
        ...


class Programs:
    """Starts the real programs."""

    def has(self, program: str) -> bool:
        """Whether it is on the PATH."""
        return shutil.which(program) is not None

    def run(self, *command: str, timeout_s: float | None = None) -> Done:
        """Run it to its end, or so long."""
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            return Done(124, "", f"no answer after {timeout_s:.0f}s")
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *command: str) -> Running:
        """Run it in the background, and out of reach of Ctrl+C."""
        return _Process(command)


class _Process:
    def __init__(self, command: Sequence[str]) -> None:
        self._log: Any = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def done(self) -> Done | None:
        status = self._process.poll()
        if status is None:
            return None
        self._log.seek(0)
        return Done(status, self._log.read())

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


class Helm:
    """helm, in the context that was current at the start."""

    def __init__(self, programs: Programs, context: str) -> None:
        self._programs = programs
        self._context = ["--kube-context", context] if context else []

    def run(self, namespace: str, *arguments: str) -> Done:
        """Run it to its end, in the namespace."""
        return self._programs.run("helm", *arguments, "--namespace", namespace, *self._context)

    def start(self, namespace: str, *arguments: str) -> Running:
        """Run it in the background."""
        return self._programs.start("helm", *arguments, "--namespace", namespace, *self._context)

    def complete(self, chart: Path) -> Done:
        """Build the chart's dependencies, which lie beside it."""
        return self._programs.run("helm", "dependency", "build", "--skip-refresh", str(chart))

    def deployed_revision(self, namespace: str, release: str) -> str:
        """The newest revision that was deployed, "" when there is none."""
        history = self.run(namespace, "history", release)
        found = re.findall(r"^(\d+)\s.*\sdeployed\s", history.output, re.MULTILINE) if history.status == 0 else []
        return str(found[-1]) if found else ""

    def status(self, namespace: str, release: str) -> str:
        """Return a release's status, "" when there is none. Raises EndedError when helm can't tell."""
        done = self.run(namespace, "status", release)
        if done.status != 0 and "not found" not in done.error:
            raise EndedError(f"helm can't read release {release}: {done.error.strip()}")
        found = re.search(r"^STATUS: (.*)$", done.output, re.MULTILINE)
        return found[1] if found else ""


def check_programs(programs: Programs) -> None:
    """Raises EndedError when one is missing or too old."""
    if not programs.has("kubectl"):
        raise EndedError("there is no kubectl on the PATH: install it (https://kubernetes.io/docs/tasks/tools/)")
    if not programs.has("helm"):
        raise EndedError(f"there is no helm on the PATH: {_NEWER_HELM} {_HELM_PAGE}")
    version = programs.run("helm", "version", "--short").output.strip()
    numbers = re.search(r"v(\d+)\.(\d+)", version)
    if numbers is None:
        raise EndedError(f"helm version says '{version}': {_NEWER_HELM}")
    if (int(numbers[1]), int(numbers[2])) < HELM_AT_LEAST:
        raise EndedError(f"helm is {version}: {_NEWER_HELM} {_HELM_PAGE}")
