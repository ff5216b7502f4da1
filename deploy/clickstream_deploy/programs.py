"""helm and kubectl, as programs."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clickstream_deploy.errors import EndedError

HELM_AT_LEAST = (3, 13)
_NEWER_HELM = f"install helm {HELM_AT_LEAST[0]}.{HELM_AT_LEAST[1]} or newer (https://helm.sh/docs/intro/install/)"


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


def check_programs(programs: Programs) -> None:
    """Raises EndedError when one is missing or too old."""
    if not programs.has("kubectl"):
        raise EndedError("there is no kubectl on the PATH: install it (https://kubernetes.io/docs/tasks/tools/)")
    if not programs.has("helm"):
        raise EndedError(f"there is no helm on the PATH: {_NEWER_HELM}")
    version = programs.run("helm", "version", "--short").output.strip()
    numbers = re.search(r"v(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < HELM_AT_LEAST:
        raise EndedError(f"helm is {version or 'of an unknown version'}: {_NEWER_HELM}")
