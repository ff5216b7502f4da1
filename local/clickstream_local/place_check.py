"""Whether the archive's place can be used, asked before anything starts: one line says why not.

boto3, pyiceberg and hdfs-native come with the archive's packages (make venv-archive), so they are imported when they
are needed.
"""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from clickstream_local.archive_place import Place
from clickstream_local.errors import ArchiveFailed
from clickstream_local.raw_table import (
    TABLE,
    FindTable,
    RawTable,
    in_a_line,
    open_catalog,
    table_in_catalog,
    table_in_folder,
)

_METADATA = f"{TABLE.replace('.', '/')}/metadata"
_TIMEOUT_S = 5


def check_place(place: Place) -> FindTable:
    """Return a function that looks for the archive's table in the place. Raises ArchiveFailed, in one line."""
    try:
        return _CHECKS[place.scheme](place)
    except ImportError as error:
        raise ArchiveFailed(f"{error.name} is not installed, which --archive needs: run make venv-archive") from error


def _check_s3(place: Place) -> FindTable:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from pyiceberg.exceptions import ForbiddenError, OAuthError, UnauthorizedError

    bucket = urlsplit(place.warehouse).netloc
    endpoint = place.environ.get("S3_ENDPOINT")
    at = f"{bucket} at {endpoint}" if endpoint else bucket
    limits = Config(
        connect_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retries={"total_max_attempts": 2},
        s3={"addressing_style": "path"},
    )
    region = place.environ["S3_REGION"]
    try:
        s3 = boto3.Session().client("s3", endpoint_url=endpoint, region_name=region, config=limits)
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404:
            raise ArchiveFailed(f"there is no bucket {at}: create it, or choose another with --archive-to") from error
        if status in (401, 403):
            raise ArchiveFailed(
                f"S3 refuses bucket {at} to these credentials (status {status}): "
                f"check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        raise ArchiveFailed(f"S3 refuses bucket {at}: {in_a_line(error)}") from error
    except BotoCoreError as error:
        raise ArchiveFailed(f"bucket {at} can't be used: {in_a_line(error)}") from error
    try:
        open_catalog(place).list_namespaces()
    except Exception as error:  # pyiceberg passes on what each of its libraries raises
        where = place.environ.get("CATALOG_URI", "AWS Glue")
        if place.catalog == "rest" and isinstance(error, OAuthError | UnauthorizedError | ForbiddenError):
            given = "refuses" if place.environ["CATALOG_CREDENTIAL"] else "needs"
            raise ArchiveFailed(
                f"the Iceberg catalog {where} {given} CATALOG_CREDENTIAL: {in_a_line(error)}"
            ) from error
        raise ArchiveFailed(f"the Iceberg catalog {where} can't be used: {in_a_line(error)}") from error

    def find() -> RawTable | None:
        table = table_in_catalog(place)
        if table is None or table.manifests is None:
            return table
        try:
            s3.head_object(Bucket=bucket, Key=urlsplit(table.manifests).path.lstrip("/"))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                raise ArchiveFailed(
                    f"the catalog of {place.warehouse} has the table {TABLE}, whose files were deleted: drop the table "
                    f"there too, so that it is filled again, or choose another place with --archive-to"
                ) from error
        return table

    return find


def _check_hdfs(place: Place) -> FindTable:
    import hdfs_native

    path = urlsplit(place.warehouse).path or "/"
    try:
        client = hdfs_native.Client(place.warehouse)
        client.mkdirs(path, 0o755, True)
    except Exception as error:  # hdfs-native raises its own and OSError
        raise ArchiveFailed(f"{place.warehouse} can't be used: {in_a_line(error)}") from error

    def find() -> RawTable | None:
        metadata = f"{path.rstrip('/')}/{_METADATA}"
        try:
            names = [status.path.rpartition("/")[2] for status in client.list_status(metadata)]
        except FileNotFoundError:
            return None

        def read(name: str) -> bytes:
            with client.read(f"{metadata}/{name}") as file:
                return bytes(file.read())

        return table_in_folder(names, read)

    return find


def _check_folder(place: Place) -> FindTable:
    folder = Path(place.warehouse.removeprefix("file://"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "no write permission", str(folder))
    except OSError as error:
        raise ArchiveFailed(
            f"{error.filename}: {error.strerror}, but the archive needs a folder that can be written to"
        ) from error
    metadata = folder / _METADATA

    def find() -> RawTable | None:
        names = [each.name for each in metadata.iterdir()] if metadata.is_dir() else []
        return table_in_folder(names, lambda name: (metadata / name).read_bytes())

    return find


_CHECKS: dict[str, Callable[[Place], FindTable]] = {
    "s3": _check_s3,
    "hdfs": _check_hdfs,
    "file": _check_folder,
}
