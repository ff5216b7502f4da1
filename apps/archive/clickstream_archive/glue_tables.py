"""The current metadata file of each table in AWS Glue: GetTables is all that DuckDB needs to read them.

DuckDB's own way to Glue, its Iceberg REST endpoint, would need more rights (glue:GetCatalog) and has no setting for
another address.
"""

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from clickstream_archive.errors import ArchiveError
from clickstream_archive.settings import CatalogSettings


def metadata_files(catalog: CatalogSettings, namespace: str) -> dict[str, str]:
    """Return the metadata file of each Iceberg table by name; none if the database is missing. Raises ArchiveError."""
    glue = boto3.Session().client("glue", region_name=catalog.s3_region)
    try:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=namespace)
        tables = [table for page in pages for table in page["TableList"]]
    except glue.exceptions.EntityNotFoundException:
        return {}
    except (BotoCoreError, ClientError) as error:
        words = " ".join(str(error).split())[:300]
        raise ArchiveError(f"{catalog.warehouse} (glue catalog): {words}") from error
    files = {table["Name"]: table.get("Parameters", {}).get("metadata_location") for table in tables}
    return {name: file for name, file in files.items() if file}
