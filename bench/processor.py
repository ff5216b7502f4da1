"""The measured processor: its process, and its health and metrics."""

import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster import Cluster, Pipeline
from measure import Measured
from workspace import KEPT, PYTHON

_LOOK_SECONDS = 0.02


def processor_command() -> list[str | Path]:
    """The command that runs the processor."""
    return [PYTHON, "-m", "clickstream_streams.main"]


def start_processor(cluster: Cluster, pipeline: Pipeline, http_port: int, **settings: str) -> Measured:
    """Start a replica on these topics; `settings` are those that differ from the defaults, e.g. WINDOW_SIZE="30s"."""
    environ = {
        **cluster.environ(pipeline),
        "GROUP_ID": pipeline.group_id,
        "HTTP_PORT": str(http_port),
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    return Measured(processor_command(), log=KEPT / "logs" / f"processor-{http_port}.log", environ=environ)


def wait_until_ready(process: Measured, http_port: int, within: float = 600.0) -> None:
    """Wait until the replica is assigned and restored. Raises RuntimeError if it ends or takes longer."""
    deadline = time.monotonic() + within
    while not _answers(f"http://127.0.0.1:{http_port}/readyz"):
        if process.exit_status is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the processor did not become ready:\n{process.last_lines()}")
        time.sleep(_LOOK_SECONDS)


def wait_until_caught_up(cluster: Cluster, pipeline: Pipeline, *replicas: Measured, within: float = 1800.0) -> None:
    """Wait until the group has committed to the end of its events. Raises RuntimeError as `wait_until_ready` does."""
    deadline = time.monotonic() + within
    while lag := cluster.lag(pipeline.group_id, pipeline.events):
        for process in replicas:
            if process.exit_status is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{lag} events are not counted yet:\n{process.last_lines()}")
        time.sleep(_LOOK_SECONDS)


def counted_events(http_port: int) -> int:
    """The replica's number of counted events; 0 while it does not answer."""
    return int(sample(http_port, "clickstream_streams_events_total"))


def sample(http_port: int, name: str) -> float:
    """The sum of a metric over its labels; 0 while the replica does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.HTTPError, OSError):
        return False
