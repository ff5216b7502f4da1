"""The job of a contestant, which contest.py gives in the environment, and its progress reports."""

import os
from dataclasses import dataclass

PARTITIONS = 6
WINDOW_SECONDS = 30


@dataclass(frozen=True)
class Job:
    """Count `events` events of `source` and write each window's result to `sink`; files may go to `state_dir`."""

    bootstrap_servers: str
    source: str
    sink: str
    group_id: str
    state_dir: str
    events: int


def read_job() -> Job:
    """Read the job from the environment."""
    environ = os.environ
    return Job(
        environ["BENCH_BOOTSTRAP_SERVERS"],
        environ["BENCH_SOURCE"],
        environ["BENCH_SINK"],
        environ["BENCH_GROUP_ID"],
        environ["BENCH_STATE_DIR"],
        int(environ["BENCH_EVENTS"]),
    )


class Progress:
    """Reports when the first event and when half of them were counted; `due` is the next number to report."""

    def __init__(self, events: int) -> None:
        self._coming = [max(2, events // 2), events * 2]
        self.due = 1

    def tell(self, counted: int) -> None:
        """Print the mark; to be called when `counted` has reached `due`."""
        os.write(1, f"progress {counted}\n".encode())  # Faust redirects print() to its log
        self.due = self._coming.pop(0)
