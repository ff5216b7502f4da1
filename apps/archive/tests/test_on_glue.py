"""The whole way on S3 with AWS Glue as the catalog, both served by moto: compaction, report, SQL, verification."""

from collections.abc import Iterator

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from pyiceberg.catalog import Catalog

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from kit.archive import Run, assert_usable

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of Glue and S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def on_glue(server: str, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The catalog of an archive in an empty bucket; the environment has its settings."""
    requests.post(f"{server}/moto-api/reset", timeout=10).raise_for_status()
    settings = {
        "CATALOG_TYPE": "glue",
        "WAREHOUSE": "s3://archive-in-glue/clicks",
        "S3_REGION": REGION,
        "S3_ENDPOINT": server,
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.Session().client("s3", region_name=REGION)
    s3.create_bucket(Bucket="archive-in-glue", CreateBucketConfiguration={"LocationConstraint": REGION})
    return open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))


@pytest.fixture
def refusing(server: str) -> Iterator[None]:
    """Keys are refused: the server knows no user."""
    for actions, wanted in ((b"0", True), (b"inf", False)):
        requests.post(f"{server}/moto-api/reset-auth", data=actions, timeout=10).raise_for_status()
        if wanted:
            yield


def test_an_archive_in_glue_is_compacted_reported_asked_and_verified(run: Run, on_glue: Catalog) -> None:
    assert_usable(run, on_glue)


def test_a_glue_without_the_database_is_an_empty_archive(run: Run, on_glue: Catalog) -> None:
    assert run("sql", "SELECT 1 AS n", "--json") == (0, {"n": 1})
    status, text = run("compact")
    assert status == 1
    assert text.endswith("there is no table clickstream.raw in s3://archive-in-glue/clicks (glue catalog)\n")


def test_keys_that_glue_refuses_are_one_line(run: Run, on_glue: Catalog, refusing: None) -> None:
    for command in (["compact"], ["sql", "SELECT 1"], ["report", "--day", "2026-11-26"], ["verify", "--offline"]):
        status, text = run(*command)
        assert status == 1, text
        assert text.startswith(f"clickstream-archive {command[0]}: s3://archive-in-glue/clicks (glue catalog): "), text
        assert "The security token included in the request is invalid." in text
        assert text.count("\n") == 1, text
