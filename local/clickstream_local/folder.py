"""The folder for Kafka's jars and data, Prometheus' data and the logs (--local-directory)."""

import os
from pathlib import Path

from clickstream_local.errors import FolderUnusable

_CHOOSE = "but Kafka's data and the logs need a folder that can be written to: choose one with --local-directory"
_MADE = ("logs", "kafka")
_WRITTEN = (".", *_MADE, "lock", "kafka/data", "prometheus")


def prepare_folder(directory: Path) -> Path:
    """Make the folder where it is missing and return its subfolder for logs.

    Raises FolderUnusable when it can't be made or written to, and when its name is no UTF-8, which Java can't open.
    """
    try:
        str(directory.resolve()).encode()
        for name in _MADE:
            (directory / name).mkdir(parents=True, exist_ok=True)
        for name in _WRITTEN:
            if (directory / name).exists() and not os.access(directory / name, os.W_OK):
                raise PermissionError(0, "no right to write there", str(directory / name))
    except UnicodeEncodeError as error:
        raise FolderUnusable(f"{str(directory.resolve())!a}: this path is not UTF-8, {_CHOOSE}") from error
    except OSError as error:
        raise FolderUnusable(f"{error.filename}: {error.strerror}, {_CHOOSE}") from error
    return directory / "logs"
