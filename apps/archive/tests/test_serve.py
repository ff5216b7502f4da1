"""Results that were recorded, as metrics of a process."""

from pyiceberg.catalog import Catalog

from clickstream_archive.settings import CatalogSettings
from clickstream_local.ports import free_port
from kit.archive import Run, recorded_pipeline, write_raw
from kit.processes import Apps


def test_recorded_runs_are_served_as_metrics_and_as_a_table(
    run: Run, catalog: Catalog, place: CatalogSettings, apps: Apps
) -> None:
    recorded = recorded_pipeline(events=600, seconds=240)
    again = recorded.messages[7]
    write_raw(catalog, [*recorded.messages, again])
    assert run("compact", "--record", "--json")[0] == 0
    assert run("verify", "--offline", "--record", "--json")[0] == 1
    status, day = run("report", "--day", "2026-11-26", "--record", "--json")
    assert status == 0
    assert run("sql", "SELECT count(*) AS n FROM runs", "--json") == (0, {"n": 3})
    app = apps.start(
        "clickstream_archive.main",
        "serve",
        CATALOG_TYPE=place.catalog_type,
        WAREHOUSE=place.warehouse,
        REFRESH_INTERVAL="1s",
    )
    app.wait_until_ready(60)
    metrics = app.get("/metrics")[1]
    for expected in (
        'clickstream_archive_last_run_status{command="compact"} 0.0',
        'clickstream_archive_last_run_status{command="verify"} 1.0',
        'clickstream_archive_doubled_offsets{topic="clickstream-events"} 1.0',
        'clickstream_archive_missing_offsets{topic="clickstream-events"} 0.0',
        'clickstream_archive_windows{verdict="different"} 0.0',
        f"clickstream_archive_day_events {float(day['events'])}",
        "clickstream_archive_raw_last_commit_timestamp_seconds",
    ):
        assert expected in metrics
    app.stop()


def test_without_an_archive_serve_waits_and_says_why(apps: Apps) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    app = apps.start("clickstream_archive.main", "serve", environ=keys, CATALOG_URI=uri, REFRESH_INTERVAL="1s")
    app.wait_for_output("The archive can't be read", 60)
    status, body = app.get("/readyz")
    assert (status, uri in body) == (503, True)
    assert app.get("/healthz")[0] == 200
    app.stop()
