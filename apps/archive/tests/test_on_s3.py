"""The whole way on S3 with a REST catalog: compaction, report, SQL, verification, and a deleted file."""

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive.lake import lake
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings
from kit.archive import Run, assert_usable, recorded_pipeline, write_raw


def test_an_archive_on_s3_is_compacted_reported_asked_and_verified(run: Run, on_s3: Catalog) -> None:
    assert_usable(run, on_s3)


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


def test_all_questions_of_a_transaction_are_about_the_same_snapshot(on_s3: Catalog) -> None:
    write_raw(on_s3, recorded_pipeline(events=20).messages)
    settings = read_settings(CatalogSettings, prog="", description="", argv=[])
    raw = on_s3.load_table(("clickstream", "raw"))
    with lake(settings) as opened:

        def count() -> int:
            (found,) = opened.connection.execute("SELECT count(*) FROM raw").fetchall()
            return int(found[0])

        opened.connection.begin()
        before = count()
        raw.append(raw.scan().to_arrow())
        assert count() == before
        opened.connection.rollback()
        assert count() == 2 * before
