"""DuckDB, set up for the archive's storage: extensions from their wheels, keys, a memory limit, files to spill to."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from clickstream_archive.credentials import s3_keys
from clickstream_archive.quoting import quoted
from clickstream_archive.scratch import scratch_folder
from clickstream_archive.settings import CatalogSettings

_MEMORY_SHARE = 0.6
"""Of the container's memory; the rest is for Python, Arrow and the decoder."""

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNLIMITED_BYTES = 1 << 60


@contextmanager
def engine(catalog: CatalogSettings, *, on_disk: bool = False) -> Iterator[DuckDBPyConnection]:
    """A connection that can read the archive's files; what it spills, and with `on_disk` its tables, is in TMPDIR."""
    with scratch_folder() as folder:
        database = str(folder / "work.duckdb") if on_disk else ":memory:"
        connection = duckdb.connect(database, config={"autoinstall_known_extensions": "false"})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET enable_progress_bar = false")
            connection.execute(f"SET temp_directory = {quoted(str(folder / 'spilled'))}")
            limit = _memory_limit()
            if limit is not None:
                connection.execute(f"SET memory_limit = '{int(limit * _MEMORY_SHARE) >> 20}MiB'")
            _open_storage(connection, catalog)
            yield connection
        finally:
            connection.close()


def load_extension(connection: DuckDBPyConnection, name: str) -> None:
    """Load an extension from its wheel; nothing is downloaded."""
    package = find_spec(f"duckdb_extension_{name}")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"duckdb-extension-{name} is not installed")
    file = Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    connection.execute(f"LOAD {quoted(str(file))}")


def _open_storage(connection: DuckDBPyConnection, catalog: CatalogSettings) -> None:
    if catalog.warehouse.startswith("s3://"):
        load_extension(connection, "httpfs")
        keys = s3_keys(catalog)
        parts = {"KEY_ID": keys.key, "SECRET": keys.secret, "REGION": catalog.s3_region}
        if keys.token:
            parts["SESSION_TOKEN"] = keys.token
        if catalog.s3_address:
            scheme, _, host = catalog.s3_address.partition("://")
            parts |= {"ENDPOINT": host, "URL_STYLE": "path", "USE_SSL": str(scheme == "https").lower()}
        given = ", ".join(f"{name} {quoted(value)}" for name, value in parts.items())
        connection.execute(f"CREATE SECRET archive_s3 (TYPE s3, {given})")
    elif catalog.warehouse.startswith("hdfs://"):
        from clickstream_archive.folders import check_namenode
        from clickstream_archive.storage import hdfs

        check_namenode(catalog.warehouse)
        connection.register_filesystem(hdfs(catalog.warehouse.removeprefix("hdfs://").partition("/")[0]))


def _memory_limit() -> int | None:
    """The container's memory in bytes; None without a limit."""
    for name in _CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _UNLIMITED_BYTES:
            return int(text)
    return None
