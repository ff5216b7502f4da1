"""Whether the archive's place can be used, asked before anything starts: one line says why not.

boto3, pyiceberg and hdfs-native come with the archive's packages (make venv-archive), so they are imported when they
are needed.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clickstream_local.archive_place import Place
from clickstream_local.errors import ArchiveFailed

TABLE = "clickstream.raw"
_TIMEOUT_S = 5


def check_place(place: Place) -> Callable[[], bool]:
    """Return a function that says whether the place has the archive's table. Raises ArchiveFailed, in one line."""
    try:
        return _CHECKS[place.scheme](place)
    except ImportError as error:
        raise ArchiveFailed(f"{error.name} is not installed, which --archive needs: run make venv-archive") from error


def _check_s3(place: Place) -> Callable[[], bool]:
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
        boto3.client("s3", endpoint_url=endpoint, region_name=region, config=limits).head_bucket(Bucket=bucket)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404:
            raise ArchiveFailed(f"there is no bucket {at}: create it, or choose another with --archive-to") from error
        if status in (401, 403):
            raise ArchiveFailed(
                f"S3 refuses bucket {at} to these credentials (status {status}): "
                f"check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        raise ArchiveFailed(f"S3 refuses bucket {at}: {_line(error)}") from error
    except BotoCoreError as error:
        raise ArchiveFailed(f"bucket {at} can't be used: {_line(error)}") from error
    try:
        catalog = _catalog(place)
        catalog.list_namespaces()
    except Exception as error:  # pyiceberg passes on what each of its libraries raises
        where = place.environ.get("CATALOG_URI", "AWS Glue")
        if place.catalog == "rest" and isinstance(error, OAuthError | UnauthorizedError | ForbiddenError):
            given = "refuses" if place.environ["CATALOG_CREDENTIAL"] else "needs"
            raise ArchiveFailed(f"the Iceberg catalog {where} {given} CATALOG_CREDENTIAL: {_line(error)}") from error
        raise ArchiveFailed(f"the Iceberg catalog {where} can't be used: {_line(error)}") from error
    return lambda: bool(catalog.table_exists(TABLE))


def _catalog(place: Place) -> Any:
    from pyiceberg.catalog import load_catalog

    properties = {"type": place.catalog, "warehouse": place.warehouse, "client.region": place.environ["S3_REGION"]}
    if place.catalog == "rest":
        properties |= {"uri": place.environ["CATALOG_URI"]}
        if place.environ["CATALOG_CREDENTIAL"]:
            properties |= {"credential": place.environ["CATALOG_CREDENTIAL"]}
    return load_catalog("clickstream", **properties)


def _check_hdfs(place: Place) -> Callable[[], bool]:
    import hdfs_native

    path = urlsplit(place.warehouse).path or "/"
    try:
        client = hdfs_native.Client(place.warehouse)
        client.mkdirs(path, 0o755, True)
    except Exception as error:  # hdfs-native raises its own and OSError
        raise ArchiveFailed(f"{place.warehouse} can't be used: {_line(error)}") from error

    def has_table() -> bool:
        try:
            client.get_file_info(f"{path.rstrip('/')}/{TABLE.replace('.', '/')}/metadata")
        except FileNotFoundError:
            return False
        return True

    return has_table


def _check_folder(place: Place) -> Callable[[], bool]:
    folder = Path(place.warehouse.removeprefix("file://"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(0, "no write permission", str(folder))
    except OSError as error:
        raise ArchiveFailed(
            f"{error.filename}: {error.strerror}, but the archive needs a folder that can be written to"
        ) from error
    return (folder / TABLE.replace(".", "/") / "metadata").exists


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


_CHECKS: dict[str, Callable[[Place], Callable[[], bool]]] = {
    "s3": _check_s3,
    "hdfs": _check_hdfs,
    "file": _check_folder,
}
