"""The Iceberg catalog as the settings describe it, for what needs manifests or commits."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, OAuthError
from pyiceberg.table import Table
from requests.exceptions import ConnectionError as Unreachable

from clickstream_archive.credentials import s3_keys
from clickstream_archive.errors import ArchiveError, MissingTable
from clickstream_archive.failures import failures, last_words
from clickstream_archive.settings import CatalogSettings

NAMESPACE = "clickstream"
_FILE_IO = {"py-io-impl": "clickstream_archive.storage.ArchiveFileIO"}


def open_catalog(settings: CatalogSettings) -> Catalog:
    """Return the catalog, connected. Raises ArchiveError, in one line, when it can't be reached or refuses."""
    with catalog_errors(settings):
        if settings.catalog_type == "hadoop":
            from clickstream_archive.folders import check_namenode
            from clickstream_archive.hadoop_catalog import HadoopCatalog

            if settings.warehouse.startswith("hdfs://"):
                check_namenode(settings.warehouse)
            return HadoopCatalog("archive", settings.warehouse, **_FILE_IO)
        properties = {"warehouse": settings.warehouse, **_FILE_IO, **_s3(settings)}
        if settings.catalog_type == "glue":
            from pyiceberg.catalog.glue import GlueCatalog

            return GlueCatalog("archive", **properties, **{"glue.region": settings.s3_region})
        from pyiceberg.catalog.rest import RestCatalog

        if settings.credential:
            uri = f"{settings.catalog_uri.rstrip('/')}/v1/oauth/tokens"
            properties |= {"credential": settings.credential, "oauth2-server-uri": uri}
        return RestCatalog("archive", uri=settings.catalog_uri, **properties)


def load_table(catalog: Catalog, settings: CatalogSettings, name: str) -> Table:
    """Return the table as it is now. Raises MissingTable, or ArchiveError when the catalog fails."""
    with catalog_errors(settings):
        try:
            return catalog.load_table((NAMESPACE, name))
        except (NoSuchTableError, NoSuchNamespaceError) as error:
            raise MissingTable(f"there is no table {NAMESPACE}.{name} in {where(settings)}") from error


def where(settings: CatalogSettings) -> str:
    """Return in words which catalog that is."""
    if settings.catalog_type == "rest":
        return f"the catalog {settings.catalog_uri} (warehouse {settings.warehouse})"
    return f"{settings.warehouse} ({settings.catalog_type} catalog)"


@contextmanager
def catalog_errors(settings: CatalogSettings) -> Iterator[None]:
    """Turn what the libraries raise for a catalog or storage that fails into one line."""
    try:
        yield
    except Unreachable as error:
        raise ArchiveError(f"{where(settings)} can't be reached: {last_words(error)}") from error
    except OAuthError as error:
        raise ArchiveError(f"{where(settings)} refuses CATALOG_CREDENTIAL: {last_words(error)}") from error
    except ValidationError as error:
        raise ArchiveError(f"{where(settings)} doesn't answer as an Iceberg catalog: {last_words(error)}") from error
    except failures() as error:
        raise ArchiveError(f"{where(settings)}: {last_words(error)}") from error


def _s3(settings: CatalogSettings) -> dict[str, str]:
    if not settings.warehouse.startswith("s3://"):
        return {}
    keys = s3_keys(settings)
    given = {
        "s3.access-key-id": keys.key,
        "s3.secret-access-key": keys.secret,
        "s3.session-token": keys.token,
        "s3.endpoint": settings.s3_address,
        "s3.region": settings.s3_region,
        "s3.connect-timeout": "10",
        "s3.request-timeout": "60",
    }
    return {name: value for name, value in given.items() if value}
