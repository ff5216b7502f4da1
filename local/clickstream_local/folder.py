"""The folder for jars, the data of Kafka, Prometheus and the archive, and the logs (--local-directory).

There is one for each pipeline.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_local.errors import FolderUnusable, LocalError

_CHOOSE = "but Kafka's data and the logs need a folder that can be written to: choose one with --local-directory"
_CREATED = ("logs", "kafka")
_WRITTEN = (".", *_CREATED, "lock", "kafka/data", "prometheus", "archive", "connect")


def prepare_folder(directory: Path) -> Path:
    """Create the folder if it is missing and return its subfolder for logs.

    Raises FolderUnusable if it can't be created or written to, or if its path is not UTF-8, which Java can't open.
    """
    try:
        str(directory.resolve()).encode()
        for name in _CREATED:
            (directory / name).mkdir(parents=True, exist_ok=True)
        for name in _WRITTEN:
            if (directory / name).exists() and not os.access(directory / name, os.W_OK):
                raise PermissionError(0, "no write permission", str(directory / name))
    except UnicodeEncodeError as error:
        raise FolderUnusable(f"{str(directory.resolve())!a}: this path is not UTF-8, {_CHOOSE}") from error
    except OSError as error:
        raise FolderUnusable(f"{error.filename}: {error.strerror}, {_CHOOSE}") from error
    return directory / "logs"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the folder until the block or the process ends. Raises LocalError with the process id of its holder."""
    with (directory / "lock").open("a+") as lock:
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
