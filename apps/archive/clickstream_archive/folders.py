"""What a hadoop catalog needs of a file system: reading small files, and publishing a file under a name only once.

Two writers may try to publish the same version of a table. On HDFS a rename without overwrite fails when the target
exists; in a local folder a hard link does, where a rename would replace the other's file.
"""

import os
import shutil
import socket
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from hdfs_native import Client, WriteOptions

from clickstream_archive.errors import ArchiveError

_NAMENODE_TIMEOUT_S = 5.0


class Folder(Protocol):
    """A file system, addressed by full locations."""

    def read(self, location: str) -> bytes | None:
        """Return the file's content, None if there is no such file."""

    def exists(self, location: str) -> bool:
        """Return whether there is such a file."""

    def write(self, location: str, content: bytes) -> None:
        """Write a file under a name that nobody reads yet, with the folders above it."""

    def publish(self, written: str, location: str) -> bool:
        """Give a written file its final name in one step; False, and nothing has changed, if there is one already."""

    def replace(self, written: str, location: str) -> None:
        """Give a written file its final name in one step, instead of what was there."""

    def names(self, location: str) -> list[str]:
        """Return the names in a folder, none if it does not exist."""

    def delete(self, location: str) -> None:
        """Delete a file or a folder with all that is in it, if it exists."""


class LocalFolder:
    """A folder of this machine; locations are file:///path or /path."""

    def read(self, location: str) -> bytes | None:
        try:
            return local_path(location).read_bytes()
        except FileNotFoundError:
            return None

    def exists(self, location: str) -> bool:
        return local_path(location).is_file()

    def write(self, location: str, content: bytes) -> None:
        path = local_path(location)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def publish(self, written: str, location: str) -> bool:
        try:
            local_path(location).hardlink_to(local_path(written))
        except FileExistsError:
            return False
        local_path(written).unlink()
        return True

    def replace(self, written: str, location: str) -> None:
        local_path(written).replace(local_path(location))

    def names(self, location: str) -> list[str]:
        path = local_path(location)
        return sorted(each.name for each in path.iterdir()) if path.is_dir() else []

    def delete(self, location: str) -> None:
        path = local_path(location)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


class HdfsFolder:
    """HDFS through its native client: no JVM, no libhdfs. Locations are hdfs://authority/path."""

    def __init__(self, location: str) -> None:
        self._client = Client(hdfs_root(location))

    def read(self, location: str) -> bytes | None:
        try:
            with self._client.read(_path(location)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def exists(self, location: str) -> bool:
        try:
            return not self._client.get_file_info(_path(location)).isdir
        except FileNotFoundError:
            return False

    def write(self, location: str, content: bytes) -> None:
        with self._client.create(_path(location), WriteOptions(overwrite=True, create_parent=True)) as file:
            file.write(content)

    def publish(self, written: str, location: str) -> bool:
        try:
            self._client.rename(_path(written), _path(location), False)
        except FileExistsError:
            return False
        except (OSError, RuntimeError):
            if not self.exists(location):
                raise
            return False
        return True

    def replace(self, written: str, location: str) -> None:
        self._client.rename(_path(written), _path(location), True)

    def names(self, location: str) -> list[str]:
        try:
            return sorted(each.path.rpartition("/")[2] for each in self._client.list_status(_path(location), False))
        except FileNotFoundError:
            return []

    def delete(self, location: str) -> None:
        self._client.delete(_path(location), True)


def folder_of(location: str) -> Folder:
    """Return the file system of a location."""
    return HdfsFolder(location) if location.startswith("hdfs://") else LocalFolder()


def local_path(location: str) -> Path:
    """Return the path of file:///path or /path."""
    return Path(location.removeprefix("file://"))


def hdfs_root(location: str) -> str:
    """Return hdfs://authority of a location on HDFS."""
    return f"hdfs://{urlsplit(location).netloc}"


def _path(location: str) -> str:
    return urlsplit(location).path


def check_namenode(location: str) -> None:
    """Raise ArchiveError when the NameNode of hdfs://host:port/path can't be reached; its client tries for minutes.

    A name service has several NameNodes, which the client knows from HADOOP_CONF_DIR.
    """
    place = urlsplit(location)
    if place.hostname is None or place.port is None:
        return
    try:
        socket.create_connection((place.hostname, place.port), timeout=_NAMENODE_TIMEOUT_S).close()
    except OSError as error:
        raise ArchiveError(f"the NameNode {place.netloc} can't be reached: {error}") from error
