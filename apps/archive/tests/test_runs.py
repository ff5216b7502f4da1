"""The last run of each command, found without reading those of all months."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyiceberg.catalog import Catalog

from clickstream_archive.runs import Run, last_runs, record_run
from clickstream_archive.settings import CatalogSettings


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
