"""The archive's tables in DuckDB, to be read with SQL: as they are now, without PyIceberg, whose import takes a second.

A REST catalog is attached; with Glue or a hadoop catalog each table's current metadata file is read. Missing tables are
left out.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from duckdb import DuckDBPyConnection

from clickstream_archive.engine import engine, load_extension
from clickstream_archive.errors import ArchiveError
from clickstream_archive.failures import one_line
from clickstream_archive.quoting import name, quoted
from clickstream_archive.settings import CatalogSettings

_NAMESPACE = "clickstream"


@dataclass(frozen=True)
class Lake:
    """A connection with a view for each table that exists; `sources` are the expressions behind the views."""

    connection: DuckDBPyConnection
    sources: Mapping[str, str]

    def files(self, table: str) -> dict[str, int]:
        """Return the table's data files and the number of rows in each, from its manifests."""
        place = self.sources[table].removeprefix("iceberg_scan(").removesuffix(")")
        rows = self.connection.execute(
            f"SELECT file_path, record_count FROM iceberg_metadata({place})"
            " WHERE manifest_content = 'DATA' AND status <> 'DELETED'"
        ).fetchall()
        return dict(rows)


@contextmanager
def lake(catalog: CatalogSettings) -> Iterator[Lake]:
    """Open the archive to be read with SQL. Raises ArchiveError, in one line, when it can't be reached."""
    with engine(catalog) as connection:
        load_extension(connection, "avro")
        load_extension(connection, "iceberg")
        try:
            sources = _sources(connection, catalog)
            for table, source in sources.items():
                connection.execute(f"CREATE VIEW {name(table)} AS SELECT * FROM {source}")
        except duckdb.Error as error:
            raise ArchiveError(f"the archive can't be opened: {one_line(error)}") from error
        yield Lake(connection, sources)


def _sources(connection: DuckDBPyConnection, catalog: CatalogSettings) -> dict[str, str]:
    """The expression to read each table from, by name."""
    if catalog.catalog_type == "hadoop":
        return _in_folder(catalog)
    if catalog.catalog_type == "glue":
        return _in_glue(catalog)
    options = [f"ENDPOINT {quoted(catalog.catalog_uri)}"]
    if catalog.credential:
        key, _, secret = catalog.credential.partition(":")
        uri = f"{catalog.catalog_uri.rstrip('/')}/v1/oauth/tokens"
        connection.execute(
            f"CREATE SECRET archive_catalog (TYPE iceberg, CLIENT_ID {quoted(key)}, CLIENT_SECRET {quoted(secret)},"
            f" OAUTH2_SERVER_URI {quoted(uri)})"
        )
        options.append("SECRET archive_catalog")
    else:
        options.append("AUTHORIZATION_TYPE none")
    connection.execute(f"ATTACH {quoted(catalog.warehouse)} AS lake (TYPE iceberg, READ_ONLY, {', '.join(options)})")
    found = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'lake' AND table_schema = ?",
        [_NAMESPACE],
    ).fetchall()
    return {row[0]: f"lake.{_NAMESPACE}.{name(row[0])}" for row in found}


def _in_glue(catalog: CatalogSettings) -> dict[str, str]:
    from clickstream_archive.glue_tables import metadata_files  # boto3 takes a quarter of a second

    return {table: f"iceberg_scan({quoted(file)})" for table, file in metadata_files(catalog, _NAMESPACE).items()}


def _in_folder(catalog: CatalogSettings) -> dict[str, str]:
    from clickstream_archive.folders import folder_of
    from clickstream_archive.versions import current_version

    folder = folder_of(catalog.warehouse)
    place = f"{catalog.warehouse}/{_NAMESPACE}"
    versions = {table: current_version(folder, f"{place}/{table}") for table in folder.names(place)}
    return {table: f"iceberg_scan({quoted(file)})" for table, (_, file) in versions.items() if file}
