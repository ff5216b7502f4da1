"""What the launcher finds in a bucket before it fills it: nothing, a table, or a table whose files are gone."""

from pathlib import Path

import boto3
import pytest

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from clickstream_local.archive_place import LOCAL_WAREHOUSE, users_place
from clickstream_local.errors import ArchiveFailed
from clickstream_local.place_check import check_place
from kit.archive import recorded_pipeline, write_raw
from kit.seaweedfs import seaweedfs


def test_a_table_whose_files_were_deleted_is_refused_until_the_catalog_has_dropped_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with seaweedfs(tmp_path / "s3") as server:
        for name, value in server.settings().items():
            monkeypatch.setenv(name, value)
        catalog = open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))
        find = check_place(users_place(LOCAL_WAREHOUSE, server.settings() | {"CATALOG_TYPE": "rest"}))
        assert find() is None

        write_raw(catalog, recorded_pipeline(events=20).messages)
        found = find()
        assert found is not None
        assert found.manifests is not None

        s3 = boto3.Session().client("s3", endpoint_url=server.environ["S3_ENDPOINT"], region_name="us-east-1")
        bucket = LOCAL_WAREHOUSE.removeprefix("s3://")
        for each in s3.list_objects_v2(Bucket=bucket)["Contents"]:
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        with pytest.raises(ArchiveFailed, match="clickstream.raw, whose files were deleted: drop the table there too"):
            find()

        catalog.drop_table(("clickstream", "raw"))
        assert find() is None
