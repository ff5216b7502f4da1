"""The whole way on S3 with a REST catalog: compaction, report, SQL, verification, and a deleted file."""

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive.lake import lake
from clickstream_archive.settings import CatalogSettings
from clickstream_archive.storage import ArchiveFileIO
from clickstream_core.settings import read_settings
from kit.archive import EVENTS, Run, recorded_pipeline, write_raw


def test_an_archive_on_s3_is_compacted_reported_asked_and_verified(run: Run, on_s3: Catalog) -> None:
    recorded = recorded_pipeline(events=3_000)
    table = write_raw(on_s3, sorted(recorded.messages, key=lambda each: each.timestamp), 4)
    valid = 3_000 - len(recorded.read("clickstream-dead-letters", ""))

    status, result = run("compact", "--json")
    assert (status, result["tables"]["events"]["typed_rows"]) == (0, valid)
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


def test_the_catalog_is_attached_to_be_read_only(on_s3: Catalog) -> None:
    write_raw(on_s3, recorded_pipeline(events=20).messages)
    settings = read_settings(CatalogSettings, prog="", description="", argv=[])
    with lake(settings) as opened, pytest.raises(duckdb.Error, match="read-only"):
        opened.connection.execute("DELETE FROM lake.clickstream.raw")


def test_a_wrong_secret_of_s3_is_one_line(run: Run, on_s3: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    write_raw(on_s3, recorded_pipeline(events=20).messages)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for command in (["compact"], ["sql", "SELECT count(*) FROM raw"]):
        status, text = run(*command)
        assert (status, text.count("\n")) == (1, 1), text
        assert text.startswith(f"clickstream-archive {command[0]}: "), text


def test_a_wrong_credential_is_one_line(run: Run, on_s3: Catalog) -> None:
    status, text = run("compact", "--catalog-credential", "clickstream:wrong")
    assert status == 1
    assert text.startswith("clickstream-archive compact: the catalog http://127.0.0.1:")
    assert "refuses CATALOG_CREDENTIAL" in text
    assert text.count("\n") == 1


def test_a_catalog_that_is_away_is_one_line(run: Run, on_s3: Catalog) -> None:
    commands = (["compact"], ["sql", "SELECT 1 FROM raw"], ["report", "--day", "2026-11-26"], ["verify", "--offline"])
    for command in commands:
        status, text = run(*command, "--catalog-uri", "http://127.0.0.1:1")
        assert status == 1, text
        assert text.startswith(f"clickstream-archive {command[0]}: "), text
        assert text.count("\n") == 1, text
