"""What fails outside is one line with the cause and exit status 1; a mistake in the code keeps its traceback."""

import errno
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive import compact
from clickstream_archive.settings import CatalogSettings
from kit.archive import Run, recorded_pipeline, write_raw


class _NoCatalog(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def no_catalog() -> Iterator[str]:
    """The address of a server that answers each question with an empty object."""
    with HTTPServer(("127.0.0.1", 0), _NoCatalog) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_typed_file_that_is_gone_is_one_line(run: Run, catalog: Catalog) -> None:
    write_raw(catalog, recorded_pipeline(events=100, seconds=60).messages)
    run("compact")
    (task,) = catalog.load_table(("clickstream", "events")).scan().plan_files()
    path = Path(task.file.file_path.removeprefix("file://"))
    path.unlink()
    status, text = run("report", "--day", "2026-11-26")
    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith("clickstream-archive report: ")
    assert path.name in text


def test_a_manifest_that_is_gone_is_one_line(run: Run, catalog: Catalog) -> None:
    table = write_raw(catalog, recorded_pipeline(events=100, seconds=60).messages)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    path = Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://"))
    path.unlink()
    status, text = run("compact")
    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith("clickstream-archive compact: ")
    assert path.name in text


def test_an_address_that_is_no_catalog_is_one_line(
    run: Run, catalog: Catalog, no_catalog: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    status, text = run("compact", "--catalog-type", "rest", "--catalog-uri", no_catalog, "--warehouse", "s3://no")
    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith(f"clickstream-archive compact: the catalog {no_catalog} (warehouse s3://no) ")
    assert "doesn't answer as an Iceberg catalog" in text


def test_a_full_disk_is_one_line_and_a_mistake_in_the_code_is_not(
    run: Run, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> None:
        def fail(*given: object) -> None:
            raise error

        monkeypatch.setattr(compact, "open_catalog", fail)

    failing(OSError(errno.ENOSPC, "No space left on device"))
    status, text = run("compact")
    assert (status, text) == (1, "clickstream-archive compact: [Errno 28] No space left on device\n")
    failing(AttributeError("a mistake"))
    status, text = run("compact")
    assert status == 1
    assert "Traceback" in text


@pytest.mark.parametrize(
    "command", [["compact"], ["report", "--day", "today"], ["sql", "SELECT 1"], ["verify", "--offline"]]
)
def test_a_namenode_that_is_away_is_one_line_at_once(
    run: Run, place: CatalogSettings, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("WAREHOUSE", "hdfs://127.0.0.1:1/archive")
    status, text = run(*command)
    assert (status, text.count("\n")) == (1, 1), text
    assert text.startswith(f"clickstream-archive {command[0]}: the NameNode 127.0.0.1:1 can't be reached: ")
    assert "Connection refused" in text
