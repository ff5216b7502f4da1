"""The whole way on HDFS, whose folder is the catalog: compaction, report, SQL, verification, and a deleted file."""

from pathlib import Path

import pytest

from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.storage import ArchiveFileIO
from clickstream_core.settings import read_settings
from kit.archive import DEAD_LETTERS, EVENTS, Run, recorded_pipeline, write_raw
from kit.hdfs import hadoop_jars, hdfs
from kit.inventory import ROOT


def test_an_archive_on_hdfs_is_compacted_reported_asked_and_verified(
    run: Run, java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = recorded_pipeline(events=900)
    valid = 900 - len(recorded.read(DEAD_LETTERS, ""))
    with hdfs(tmp_path / "hdfs", java, hadoop_jars(ROOT / ".local" / "hadoop")) as server:
        monkeypatch.setenv("CATALOG_TYPE", "hadoop")
        monkeypatch.setenv("WAREHOUSE", f"{server.address}/archive")
        catalog = open_catalog(read_settings(CatalogSettings, prog="", description="", argv=[]))
        table = write_raw(catalog, sorted(recorded.messages, key=lambda each: each.timestamp), 3)

        status, result = run("compact", "--json")
        assert (status, result["tables"]["events"]["typed_rows"]) == (0, valid)
        assert run("compact", "--json")[1]["tables"]["events"]["hours"] == 0
        assert run("sql", "SELECT count(*) AS n FROM events", "--json") == (0, {"n": valid})
        status, result = run("report", "--day", "2026-11-26", "--json")
        assert (status, result["events"], result["source"]["compacted"]) == (0, valid, ["10"])
        status, result = run("verify", "--offline", "--json")
        assert (status, result["complete"], result["equal"]) == (0, True, True)

        first, *_ = sorted(task.file.file_path for task in table.scan(row_filter=f"topic = '{EVENTS}'").plan_files())
        assert isinstance(table.io, ArchiveFileIO)
        table.io.delete(first)
        status, result = run("verify", "--offline", "--json")
        assert status == 1
        assert [each["path"] for each in result["lost_files"]] == [first]
