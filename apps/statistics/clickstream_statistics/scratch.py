"""The driver's own folder, for Spark's files and for what is being written: below TMPDIR, and removed at the end.

A driver that was killed can't remove its folder. So each holds a lock on a file in its own, and a start removes those
that nothing holds.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickstream_core.errors import SettingsError
from clickstream_statistics.settings import APP

_LOCK = "lock"
_UNLOCKED_FOR_S = 3600.0
"""A folder without a lock is one that is just being made; after so long it is none."""


@contextmanager
def scratch_folder() -> Iterator[str]:
    """Make the folder, remove those of drivers that were killed. Raises SettingsError if TMPDIR can't be written."""
    try:
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{APP}-*"):
            if _is_left(left):
                shutil.rmtree(left, ignore_errors=True)
        made = tempfile.TemporaryDirectory(prefix=f"{APP}-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SettingsError(
            f"no folder for Spark's own files: {error}; set TMPDIR to one that can be written"
        ) from error
    with made as folder:
        unnamed = Path(folder) / f".{_LOCK}"
        with unnamed.open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(Path(folder) / _LOCK)
            yield folder


def _is_left(folder: Path) -> bool:
    """Whether it is a folder of ours that no driver holds."""
    try:
        known = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or known.st_uid != os.getuid():
            return False
        with (folder / _LOCK).open(encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return time.time() - known.st_mtime > _UNLOCKED_FOR_S
    except OSError:  # it is held, or not ours to read
        return False
    return True
