"""Compaction: idempotent for an hour, restartable at any moment, and what comes late is added."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile

from clickstream_archive import compaction
from clickstream_archive.catalogs import open_catalog
from clickstream_archive.committing import replace_hours
from clickstream_archive.compact import _compact
from clickstream_archive.ledger import record
from clickstream_archive.raw import Hour
from clickstream_archive.settings import ArchiveSettings, CatalogSettings
from clickstream_archive.writing import HourFiles
from clickstream_core.settings import read_settings
from kit.archive import DEAD_LETTERS, EVENTS, METRICS, START, Recorded, Run, recorded_pipeline, write_raw
from kit.topics import Message


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Three hours of events, results and dead letters."""
    return recorded_pipeline(events=900, seconds=9_000, window_seconds=300)


def typed(catalog: Catalog, table: str = "events") -> Counter[tuple[object, ...]]:
    """All rows of a typed table: how often each is there."""
    rows = catalog.load_table(("clickstream", table)).scan().to_arrow().to_pylist()
    return Counter(tuple(map(str, row.values())) for row in rows)


def valid_events(recorded: Recorded) -> set[tuple[int, int]]:
    refused = {
        (each.header("source-partition"), each.header("source-offset")) for each in recorded.read(DEAD_LETTERS, "")
    }
    return {
        (each.partition, each.offset)
        for each in recorded.read(EVENTS, "")
        if (str(each.partition), str(each.offset)) not in refused
    }


def test_closed_hours_become_typed_rows_and_the_rest_is_counted_by_kind(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    write_raw(catalog, recorded.messages, 3)
    status, result = run("compact", "--json")
    assert status == 0
    events, metrics = result["tables"]["events"], result["tables"]["metrics"]
    reasons = Counter(each.header("reason") for each in recorded.read(DEAD_LETTERS, ""))
    assert events["untyped"] == dict(sorted(reasons.items()))
    assert (events["hours"], events["raw_rows"]) == (3, 900)
    assert (metrics["typed_rows"], metrics["untyped"]) == (len(recorded.read(METRICS, "")), {})
    table = catalog.load_table(("clickstream", "events"))
    rows = table.scan().to_arrow().to_pylist()
    assert {(row["partition"], row["offset"]) for row in rows} == valid_events(recorded)
    assert len(rows) == len(valid_events(recorded))
    folders = {task.file.file_path.rpartition("/")[0].partition("/data/")[2] for task in table.scan().plan_files()}
    assert folders == {f"year=2026/month=11/day=26/hour={hour}" for hour in (10, 11, 12)}
    files = [Path(task.file.file_path.removeprefix("file://")) for task in table.scan().plan_files()]
    columns = [pyarrow.parquet.read_metadata(file).row_group(0).column(0) for file in files]
    assert {column.compression for column in columns} == {"ZSTD"}


def test_a_typed_row_has_the_events_fields_and_where_it_comes_from(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    write_raw(catalog, recorded.messages)
    run("compact")
    plain = [each for each in recorded.read(EVENTS, "") if b'"user_4' in (each.value or b"")][50]
    status, rows = run(
        "sql", f'SELECT * FROM events WHERE "partition" = {plain.partition} AND "offset" = {plain.offset}', "--json"
    )
    assert status == 0
    assert rows["topic"] == EVENTS
    assert f"{rows['year']}-{rows['month']}-{rows['day']}T{rows['hour']}" == rows["record_timestamp"][:13]
    assert rows["event_type"] in {"page_view", "click", "add_to_cart", "purchase", "search"}
    assert isinstance(rows["duration_ms"], int)
    assert re.fullmatch(r"2026-11-26T\d\d:\d\d:\d\d\.\d+Z", rows["timestamp"])


def test_a_second_run_changes_nothing(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    write_raw(catalog, recorded.messages)
    run("compact")
    table = catalog.load_table(("clickstream", "events"))
    before = table.metadata_location
    status, result = run("compact", "--json")
    assert (status, result["tables"]["events"]["hours"]) == (0, 0)
    assert catalog.load_table(("clickstream", "events")).metadata_location == before
    assert "Nothing to do" in run("compact")[1]


def test_what_comes_late_into_an_hour_is_added_by_the_next_run(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    late = [each for each in recorded.read(EVENTS, "") if each.offset % 7 == 3]
    write_raw(catalog, recorded.without(*late).messages)
    run("compact")
    write_raw(catalog, late)
    assert run("compact", "--json")[1]["tables"]["events"]["hours"] == 3
    assert set(typed(catalog).values()) == {1}
    rows = catalog.load_table(("clickstream", "events")).scan().to_arrow().to_pylist()
    assert {(row["partition"], row["offset"]) for row in rows} == valid_events(recorded)


def test_an_open_hour_waits_unless_it_is_asked_for(run: Run, catalog: Catalog) -> None:
    now = datetime.now(UTC)
    recorded = recorded_pipeline(events=50, seconds=5, start=now - timedelta(seconds=5))
    write_raw(catalog, recorded.messages)
    status, result = run("compact", "--json", "--closed-after", "1h")
    assert (status, result["tables"]["events"]["hours"]) == (0, 0)
    assert result["tables"]["events"]["open_hours"] >= 1
    assert run("compact", "--json", "--open-hours")[1]["tables"]["events"]["hours"] >= 1


def test_a_file_that_is_gone_leaves_its_hour_out_and_the_others_are_done(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    table = write_raw(catalog, recorded.messages)
    files = [task.file.file_path for task in table.scan(row_filter=f"topic = '{EVENTS}' and hour = '11'").plan_files()]
    Path(files[0].removeprefix("file://")).unlink()
    status, result = run("compact", "--json")
    events = result["tables"]["events"]
    assert (status, events["hours"]) == (1, 2)
    (failed,) = events["failed"]
    assert failed["hour"] == "2026-11-26T11"
    assert files[0].rpartition("/")[2] in failed["error"]


def test_runs_that_are_killed_at_any_moment_and_begun_again_end_equal(
    place: CatalogSettings, catalog: Catalog, recorded: Recorded, tmp_path: Path, run: Run
) -> None:
    write_raw(catalog, recorded.messages, 2)
    environ = os.environ | {"WAREHOUSE": str(tmp_path / "once")}
    once = read_settings(CatalogSettings, prog="", description="", argv=["--warehouse", str(tmp_path / "once")])
    whole = open_catalog(once)
    write_raw(whole, recorded.messages, 2)
    command = [sys.executable, "-m", "clickstream_archive.main", "compact"]
    began = time.monotonic()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    took, draw = time.monotonic() - began, random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * draw.uniform(0.4, 1.0))  # the moment of the kill, not a wait for something
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert run("compact")[0] == 0
    for table in ("events", "metrics"):
        assert typed(catalog, table) == typed(whole, table)
        assert set(typed(catalog, table).values()) == {1}


def test_two_runs_at_once_double_nothing(
    place: CatalogSettings, catalog: Catalog, recorded: Recorded, run: Run
) -> None:
    write_raw(catalog, recorded.messages)
    command = [sys.executable, "-m", "clickstream_archive.main", "compact"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert set(typed(catalog).values()) == {1}
    assert len(typed(catalog)) == len(valid_events(recorded))


def test_a_run_that_knew_fewer_raw_records_never_replaces_what_a_later_one_made(
    run: Run, catalog: Catalog, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [each for each in recorded.read(EVENTS, "") if each.offset % 7 == 3]
    write_raw(catalog, recorded.without(*late).messages)
    run("compact")
    write_raw(catalog, late[::2])
    archive = read_settings(ArchiveSettings, prog="", description="", argv=[])
    unrecorded: list[Any] = []

    def overtaken(*given: Any) -> set[Hour]:
        monkeypatch.setattr(compaction, "replace_hours", replace_hours)
        monkeypatch.setattr(compaction, "record", lambda *what: unrecorded.append(what))
        write_raw(catalog, late[1::2])
        _compact(archive, None)
        monkeypatch.setattr(compaction, "record", record)
        return replace_hours(*given)

    monkeypatch.setattr(compaction, "replace_hours", overtaken)
    status, result = run("compact", "--json")
    assert (status, result["tables"]["events"]["overtaken_hours"]) == (0, 3)
    for what in unrecorded:
        record(*what)
    assert run("compact")[0] == 0
    assert set(typed(catalog).values()) == {1}
    assert len(typed(catalog)) == len(valid_events(recorded))


def test_another_topic_of_events_keeps_the_rows_of_the_one_before(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    again, count = f"{EVENTS}-again", len(valid_events(recorded))
    write_raw(catalog, recorded.read(EVENTS, ""))
    run("compact")
    write_raw(catalog, [replace(each, topic=again) for each in recorded.read(EVENTS, "")])
    assert run("compact", "--events-topic", again, "--json")[1]["tables"]["events"]["hours"] == 3
    query = "SELECT count(*) FILTER (topic = 'clickstream-events') AS before, count(*) AS n FROM events"
    assert run("sql", query, "--json") == (0, {"before": count, "n": 2 * count})
    in_a_day = run("report", "--day", "2026-11-26", "--json")[1]["events"]
    assert run("report", "--day", "2026-11-26", "--events-topic", again, "--json")[1]["events"] == in_a_day
    assert in_a_day <= count


def test_web_logs_and_scenario_results_are_typed_too(run: Run, catalog: Catalog) -> None:
    at = int(START.timestamp() * 1000)
    log = json.dumps(
        {
            "ip": "10.0.0.1",
            "timestamp": "2026-11-26T10:00:00",
            "method": "GET",
            "url": "/",
            "status_code": 200,
            "user_agent": "x",
        }
    ).encode()
    result_of_scenario = {"scenario_id": 7, "success": 1, "date": "2026-11-26 10:00:00", "version": 2}
    scenario = json.dumps({**result_of_scenario, "timestamp": "2026-11-26T10:00:00Z", "e_c": "buy", "age": 30}).encode()
    values: dict[str, list[bytes | None]] = {
        "web_logs": [log, log.replace(b"200", b'"ok"'), log.replace(b'"ip"', b'"id"'), b"[]", None],
        "clickstream-scenario-results": [scenario, scenario.replace(b'"success": 1', b'"success": 2'), b"{"],
    }
    messages = [
        Message(topic, 0, offset, at + offset, None, value, ())
        for topic, given in values.items()
        for offset, value in enumerate(given)
    ]
    write_raw(catalog, messages)
    status, result = run("compact", "--json")
    assert status == 0
    assert result["tables"]["web_logs"]["untyped"] == {
        "missing_field": 1,
        "not_json": 1,
        "not_object": 1,
        "wrong_type": 1,
    }
    assert result["tables"]["scenario_results"]["untyped"] == {"not_json": 1, "wrong_type": 1}
    row: dict[str, Any] = run("sql", "SELECT scenario_id, success, version, fields FROM scenario_results", "--json")[1]
    assert row == {"scenario_id": "7", "success": 1, "version": 2, "fields": {"age": "30", "e_c": "buy"}}
    status, row = run("sql", "SELECT ip, timestamp, status_code FROM web_logs", "--json")
    assert row == {"ip": "10.0.0.1", "timestamp": "2026-11-26T10:00:00Z", "status_code": 200}


def test_a_record_without_a_timestamp_is_typed_too(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    one = next(each for each in recorded.read(EVENTS, "") if b'"user_4' in (each.value or b""))
    table = write_raw(catalog, [replace(one, partition=2, offset=99_999)])
    row = table.scan().to_arrow().to_pylist()[0] | {"timestamp": None, "offset": 5}
    row |= dict.fromkeys(("year", "month", "day", "hour"))
    table.append(pyarrow.Table.from_pylist([row], schema=table.schema().as_arrow()))
    assert run("compact")[0] == 0
    assert len(typed(catalog)) == 2
    assert run("compact", "--json")[1]["tables"]["events"]["hours"] == 0


def test_the_leap_second_after_the_year_9999_is_a_bad_timestamp(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    one = next(each for each in recorded.read(EVENTS, "") if b'"user_4' in (each.value or b""))
    end = json.dumps(json.loads(one.value or b"") | {"timestamp": "9999-12-31T23:59:60Z"}).encode()
    write_raw(catalog, [one, replace(one, offset=99_999, value=end)])
    status, result = run("compact", "--json")
    assert (status, result["tables"]["events"]["typed_rows"]) == (0, 1)
    assert result["tables"]["events"]["untyped"] == {"bad_timestamp": 1}


def test_an_hour_that_fails_for_any_reason_leaves_the_others_and_the_later_tables_alone(
    run: Run, catalog: Catalog, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raw(catalog, recorded.messages)
    finish = HourFiles.finish

    def failing(files: HourFiles) -> list[DataFile]:
        table, hour = files._table.name()[-1], files._hour.hour
        if (table, hour) == ("events", "10"):
            raise OverflowError("date value out of range")
        if (table, hour) == ("events", "11"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return finish(files)

    monkeypatch.setattr(HourFiles, "finish", failing)
    status, result = run("compact", "--json")
    assert (status, result["tables"]["events"]["hours"]) == (1, 1)
    assert result["tables"]["metrics"]["typed_rows"] == len(recorded.read(METRICS, ""))
    assert [each["error"] for each in result["tables"]["events"]["failed"]] == [
        "OverflowError: date value out of range",
        "its files can't be written: [Errno 28] No space left on device",
    ]
