"""One pipeline per folder: a second one would fight over Kafka's data and the logs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_local.errors import LocalError


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the folder for this process until the block ends, or the process does, however that comes about.

    Raises LocalError, with the other's process id, when another process holds it.
    """
    path = directory / "lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            pid = lock.read().strip()
            raise LocalError(
                f"./setup.sh --local already runs here (pid {pid}): press Ctrl+C in its terminal, or: kill {pid}"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
