from pathlib import Path

import pytest

from clickstream_core.errors import SettingsError
from clickstream_local.archive_place import seaweedfs_place, users_place, warehouse

CATALOG = {"CATALOG_URI": "http://catalog:8181/"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("s3://my-bucket/events/", "s3://my-bucket/events"),
        ("s3://bucket", "s3://bucket"),
        ("hdfs://namenode:8020/archive", "hdfs://namenode:8020/archive"),
        ("hdfs://nameservice1", "hdfs://nameservice1"),
        ("/data/my archive", "file:///data/my archive"),
        ("file:///data", "file:///data"),
    ],
)
def test_a_place_is_a_bucket_hdfs_or_a_folder(given: str, found: str) -> None:
    assert warehouse(given) == found


def test_a_folder_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert warehouse("lake") == f"file://{tmp_path}/lake"


@pytest.mark.parametrize(
    "given",
    ["", "/", "gs://bucket", "http://host/x", "s3://", "s3://UPPER", "s3:/x://y", "hdfs:///path", "hdfs://host:x/y"],
)
def test_other_places_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"expected s3://BUCKET/PREFIX, hdfs://HOST:PORT/PATH or a folder"):
        warehouse(given)


def test_without_a_place_it_is_seaweedfs_with_its_own_catalog() -> None:
    place = seaweedfs_place(8333, 8181)

    assert place.catalog == "rest"
    assert place.environ["S3_ENDPOINT"] == "http://127.0.0.1:8333"
    assert place.environ["CATALOG_URI"] == "http://127.0.0.1:8181"
    assert place.settings()["CATALOG_TYPE"] == "rest"


@pytest.mark.parametrize("address", ["hdfs://namenode:8020/archive", "file:///data"])
def test_hdfs_and_folders_need_no_catalog(address: str) -> None:
    place = users_place(address, {"AWS_ACCESS_KEY_ID": "key"})

    assert place.catalog == "hadoop"
    assert place.environ == {"WAREHOUSE": address}


def test_a_bucket_has_the_rest_catalog_that_is_named() -> None:
    own = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "S3_ENDPOINT": "http://minio:9000"}
    place = users_place("s3://bucket/x", {**CATALOG, **own, "CATALOG_CREDENTIAL": "id:word", "OTHER": "1"})

    assert place.catalog == "rest"
    assert place.environ == {
        "WAREHOUSE": "s3://bucket/x",
        "CATALOG_URI": "http://catalog:8181",
        "CATALOG_CREDENTIAL": "id:word",
        "S3_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        **own,
    }


def test_a_bucket_of_amazon_has_glue_in_the_users_region() -> None:
    place = users_place("s3://bucket", {"AWS_DEFAULT_REGION": "ap-northeast-2"})

    assert place.catalog == "glue"
    assert place.environ == {
        "WAREHOUSE": "s3://bucket",
        "S3_REGION": "ap-northeast-2",
        "AWS_REGION": "ap-northeast-2",
    }


@pytest.mark.parametrize(
    ("address", "environ", "message"),
    [
        ("s3://bucket", {"S3_ENDPOINT": "http://minio:9000"}, "S3_ENDPOINT=http://minio:9000: .* set CATALOG_URI"),
        ("s3://bucket", {"CATALOG_TYPE": "rest"}, "CATALOG_TYPE=rest: needs CATALOG_URI"),
        ("s3://bucket", {"CATALOG_TYPE": "hadoop"}, "CATALOG_TYPE=hadoop: expected rest or glue"),
        ("hdfs://host:1/x", {"CATALOG_TYPE": "glue"}, "CATALOG_TYPE=glue: expected hadoop"),
        (
            "hdfs://archive/x",
            {"HADOOP_CONF_DIR": "/none"},
            "HADOOP_CONF_DIR=/none: expected a folder with core-site.xml",
        ),
        ("s3://bucket", {**CATALOG, "CATALOG_CREDENTIAL_FILE": "/none"}, "CATALOG_CREDENTIAL_FILE=/none: No such file"),
    ],
)
def test_settings_that_do_not_fit_the_place_are_refused(address: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        users_place(address, environ)

    assert "\n" not in str(error.value)


def test_a_credential_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("id:word\n")

    place = users_place("s3://bucket", {**CATALOG, "CATALOG_CREDENTIAL_FILE": str(tmp_path / "word")})

    assert place.environ["CATALOG_CREDENTIAL"] == "id:word"
