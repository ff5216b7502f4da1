"""The whole way on HDFS, whose folder is the catalog: compaction, report, SQL, verification, and a deleted file."""

from pathlib import Path

import pytest

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from kit.archive import Run, assert_usable
from kit.hdfs import hadoop_jars, hdfs
from kit.inventory import ROOT


def test_an_archive_on_hdfs_is_compacted_reported_asked_and_verified(
    run: Run, java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hdfs(tmp_path / "hdfs", java, hadoop_jars(ROOT / ".local" / "hadoop")) as server:
        monkeypatch.setenv("CATALOG_TYPE", "hadoop")
        monkeypatch.setenv("WAREHOUSE", f"{server.address}/archive")
        catalog = open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))
        assert_usable(run, catalog)
