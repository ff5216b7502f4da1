"""Archives in a folder, and a SeaweedFS with one for the tests that need S3."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive import main as program
from clickstream_archive.catalogs import open_catalog
from clickstream_archive.settings import CatalogSettings
from clickstream_core.settings import read_settings

Run = Callable[..., tuple[int, Any]]


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
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
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
