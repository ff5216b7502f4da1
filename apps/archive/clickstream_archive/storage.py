"""PyIceberg's access to files: PyArrow's, with HDFS through its native client instead of the JVM's libhdfs."""

from hdfs_native.fsspec import HdfsFileSystem
from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem
from pyiceberg.io.pyarrow import PyArrowFileIO


class ArchiveFileIO(PyArrowFileIO):
    """The files of S3, HDFS and this machine."""

    def _initialize_hdfs_fs(self, scheme: str, netloc: str | None) -> FileSystem:
        return PyFileSystem(FSSpecHandler(hdfs(netloc or "")))


def hdfs(authority: str) -> HdfsFileSystem:
    """Return the file system of `host:port`, or of a name service in HADOOP_CONF_DIR."""
    host, _, port = authority.partition(":")
    # fsspec empties its cache in each forked process, where the client's end would wait for threads that are not there.
    return HdfsFileSystem(host=host, port=int(port) if port else None, skip_instance_cache=True)
