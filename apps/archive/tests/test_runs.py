"""The last run of each command, found without reading those of all months."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyiceberg.catalog import Catalog

from clickstream_archive.instruments import LastRuns
from clickstream_archive.runs import Run, last_runs, record_run
from clickstream_archive.settings import CatalogSettings
from kit.archive import Run as Command
from kit.archive import recorded_pipeline, write_raw


def test_the_last_run_of_each_command_is_read_from_its_last_month_alone(
    place: CatalogSettings, catalog: Catalog
) -> None:
    def recorded(command: str, at: datetime, status: int) -> None:
        record_run(place, Run(command, at, at + timedelta(seconds=5), status, {"command": command}))

    assert last_runs(catalog, place) == {}
    recorded("verify", datetime(2025, 12, 31, tzinfo=UTC), 1)
    old = [task.file.file_path for task in catalog.load_table(("clickstream", "runs")).scan().plan_files()]
    recorded("verify", datetime(2026, 2, 2, tzinfo=UTC), 0)
    recorded("verify", datetime(2026, 2, 1, tzinfo=UTC), 1)
    recorded("compact", datetime(2025, 11, 1, tzinfo=UTC), 1)
    for path in old:
        Path(path.removeprefix("file://")).unlink()
    found = last_runs(catalog, place)
    assert {name: (run.started_at, run.status) for name, run in found.items()} == {
        "verify": (datetime(2026, 2, 2, tzinfo=UTC), 0),
        "compact": (datetime(2025, 11, 1, tzinfo=UTC), 1),
    }


def test_a_verification_that_fails_is_recorded_and_keeps_the_figures_of_the_one_before(
    run: Command, place: CatalogSettings, catalog: Catalog
) -> None:
    assert run("verify", "--offline", "--record")[0] == 1  # there is no raw table
    failed = last_runs(catalog, place)["verify"]
    assert (failed.status, "there is no table clickstream.raw" in failed.result["error"]) == (1, True)
    runs = LastRuns()
    runs.update({"verify": failed}, None)
    assert "clickstream_archive_windows" not in {each.name for each in runs.collect()}

    table = write_raw(catalog, recorded_pipeline(events=100, seconds=60).messages)
    assert run("verify", "--offline", "--record")[0] == 0
    snapshot = table.current_snapshot()
    assert snapshot is not None
    Path(snapshot.manifests(table.io)[0].manifest_path.removeprefix("file://")).unlink()
    assert run("verify", "--offline", "--record")[0] == 1
    runs.update(last_runs(catalog, place), None)
    found = {sample.name: sample.value for each in runs.collect() for sample in each.samples}
    assert found["clickstream_archive_last_run_status"] == 1
    assert "clickstream_archive_windows" in found
