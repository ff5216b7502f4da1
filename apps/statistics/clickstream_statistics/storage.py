"""Files of the job: in a folder by Python, on HDFS and S3 by Hadoop in the driver's JVM. Paths are Hadoop's.

A file appears whole or not at all, and `create` makes it only if there is none, of several drivers for one only:

- in a folder the content is written beside its name and linked to it;
- HDFS refuses a rename to a name that is taken;
- S3 refuses an upload with `If-None-Match: *` where an object is.
"""

import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

FOLDER = "file"
_IF_NONE_MATCH = "fs.option.create.conditional.overwrite"


class Storage(Protocol):
    """What the job asks of a place."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder, in order; none if there is no such folder."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, None if there is no such file."""

    def create(self, path: str, content: bytes) -> bool:
        """Make a file unless there is one; return whether it was made."""

    def replace(self, path: str, content: bytes) -> None:
        """Make a file or replace it."""

    def publish(self, staged: str, path: str) -> None:
        """Bring a staged file to its place; one that is there already is kept."""

    def delete(self, path: str) -> None:
        """Remove a file or a folder with all that is in it, if it is there."""


def local_path(path: str) -> Path:
    """Return the path of `file:///…` on this machine."""
    return Path(unquote(urlsplit(path).path)) if "%" in path else Path(path.removeprefix("file://"))


class Folder:
    """A folder of this machine, or of one that is mounted here."""

    def names(self, folder: str) -> list[str]:
        place = local_path(folder)
        return sorted(each.name for each in place.iterdir() if each.is_file()) if place.is_dir() else []

    def read(self, path: str) -> bytes | None:
        try:
            return local_path(path).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, path: str, content: bytes) -> bool:
        target = local_path(path)
        staged = _beside(target)
        try:
            _write(staged, content)
            os.link(staged, target)
        except FileExistsError:
            return False
        finally:
            staged.unlink(missing_ok=True)
        return True

    def replace(self, path: str, content: bytes) -> None:
        target = local_path(path)
        staged = _beside(target)
        _write(staged, content)
        # Hadoop's checksum of the content before.
        target.with_name(f".{target.name}.crc").unlink(missing_ok=True)
        staged.replace(target)

    def publish(self, staged: str, path: str) -> None:
        target = local_path(path)
        if target.exists():
            return
        copy = _beside(target)
        try:
            shutil.copyfile(local_path(staged), copy)
            with copy.open("rb") as written:
                os.fsync(written.fileno())
            copy.replace(target)
        finally:
            copy.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        target = local_path(path)
        if target.is_dir():
            shutil.rmtree(target, ignore_errors=True)
        else:
            target.unlink(missing_ok=True)


class Hadoop:
    """HDFS or S3, by the file systems of the driver's JVM. `place` is any path of it."""

    def __init__(self, session: Any, place: str) -> None:
        self._jvm = session._jvm
        self._conf = session._jsc.hadoopConfiguration()
        self._files = self._path(place).getFileSystem(self._conf)
        self._on_s3 = place.startswith("s3a:")

    def names(self, folder: str) -> list[str]:
        if not self._files.exists(self._path(folder)):
            return []
        return sorted(each.getPath().getName() for each in self._files.listStatus(self._path(folder)) if each.isFile())

    def read(self, path: str) -> bytes | None:
        if not self._files.exists(self._path(path)):
            return None
        stream = self._files.open(self._path(path))
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def create(self, path: str, content: bytes) -> bool:
        if self._on_s3:
            return self._create_on_s3(path, content)
        staged = _staged(path)
        try:
            self._write(staged, content)
            return bool(self._files.rename(self._path(staged), self._path(path)))
        finally:
            self.delete(staged)

    def replace(self, path: str, content: bytes) -> None:
        self._write(path, content)

    def publish(self, staged: str, path: str) -> None:
        source, target = self._path(staged), self._path(path)
        if self._files.exists(target):
            return
        if not staged.startswith(f"{FOLDER}:"):
            self._files.mkdirs(target.getParent())
            self._files.rename(source, target)
        elif self._on_s3:
            self._files.copyFromLocalFile(False, True, source, target)
        else:
            copy = _staged(path)
            try:
                self._files.copyFromLocalFile(False, True, source, self._path(copy))
                self._files.rename(self._path(copy), target)
            finally:
                self.delete(copy)

    def delete(self, path: str) -> None:
        self._files.delete(self._path(path), True)

    def _create_on_s3(self, path: str, content: bytes) -> bool:
        if self._files.exists(self._path(path)):
            return False
        try:
            builder = self._files.createFile(self._path(path)).recursive().overwrite(True)
            stream = builder.opt(_IF_NONE_MATCH, True).build()
            stream.write(bytearray(content))
            stream.close()
        except Exception:
            # Another driver's, or our own whose answer was lost and which was sent again.
            if self._files.exists(self._path(path)):
                return False
            raise
        return True

    def _write(self, path: str, content: bytes) -> None:
        stream = self._files.create(self._path(path), True)
        stream.write(bytearray(content))
        stream.close()

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(path)


def storage(session: Any, place: str) -> Storage:
    """Return the storage that a place is on."""
    return Folder() if place.startswith(f"{FOLDER}:") else Hadoop(session, place)


def _beside(target: Path) -> Path:
    """Return a name for what is being written; no reader takes it for Parquet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


def _staged(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
