"""Archives in a folder, and a SeaweedFS with one for the tests that need S3."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from pyiceberg.catalog import Catalog

from clickstream_archive import main as program
from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from clickstream_local.archive_place import Place
from kit.archive import Run
from kit.chromium import chromium
from kit.seaweedfs import seaweedfs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CatalogSettings:
    """Settings of an archive in a folder of this test; the environment has them too."""
    monkeypatch.setenv("CATALOG_TYPE", "hadoop")
    monkeypatch.setenv("WAREHOUSE", str(tmp_path / "archive"))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    return read_settings(CatalogSettings, prog="", description="", argv=[])


@pytest.fixture
def catalog(place: CatalogSettings) -> Catalog:
    """The catalog of the test's archive."""
    return open_catalog(place)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logging_as_before: None) -> Run:
    """Runs a command in this process: its exit status and what it printed, decoded if it was --json."""

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        monkeypatch.setattr("sys.argv", ["clickstream-archive", *arguments])
        with pytest.raises(SystemExit) as ended:
            program.main()
        out, err = capsys.readouterr()
        status = int(ended.value.code or 0)
        return status, json.loads(out) if "--json" in arguments and out else out + err

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A SeaweedFS for the tests of this run; each test that uses it begins with an empty catalog."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as running:
        yield running


@pytest.fixture
def on_s3(s3: Place, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The catalog of an archive on S3, without tables; the environment has its settings."""
    for name, value in s3.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    catalog = open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))
    catalog.create_namespace_if_not_exists("clickstream")
    for identifier in catalog.list_tables("clickstream"):
        catalog.drop_table(identifier)
    return catalog
