"""The keys for S3: AWS's variables, a profile, IRSA or EKS pod identity, as boto3 finds them, or the local S3's."""

import os
from dataclasses import dataclass, field

from clickstream_archive.errors import ArchiveError
from clickstream_archive.settings import LOCAL_KEY, LOCAL_SECRET, CatalogSettings


@dataclass(frozen=True)
class S3Keys:
    """An access key; `token` is that of temporary keys."""

    key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def s3_keys(catalog: CatalogSettings) -> S3Keys:
    """Return the keys that are valid now. Raises ArchiveError if there are none."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return S3Keys(
            os.environ["AWS_ACCESS_KEY_ID"],
            os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
            os.environ.get("AWS_SESSION_TOKEN"),
        )
    if catalog.is_local:
        return S3Keys(LOCAL_KEY, LOCAL_SECRET)
    import boto3  # takes a quarter of a second
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session(region_name=catalog.s3_region).get_credentials()
        keys = found.get_frozen_credentials() if found else None
    except BotoCoreError as error:
        raise ArchiveError(f"no key for {catalog.warehouse}: {error}") from error
    if keys is None:
        raise ArchiveError(
            f"no key for {catalog.warehouse}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine or"
            " pod a role"
        )
    return S3Keys(keys.access_key, keys.secret_key, keys.token)
