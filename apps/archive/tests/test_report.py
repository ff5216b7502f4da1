"""A day's report: its numbers, where they come from, and its page."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pyiceberg.catalog import Catalog

from kit.archive import EVENTS, METRICS, START, Run, recorded_pipeline, write_raw
from kit.events import event_value
from kit.topics import Message

DAY = "2026-11-26"


def events(*given: dict[str, object], start: datetime = START) -> list[Message]:
    """Events at one minute's distance, with these fields."""
    return [
        Message(
            EVENTS,
            0,
            number,
            int(start.timestamp() * 1000) + 60_000 * number,
            None,
            event_value(datetime.fromtimestamp(start.timestamp() + 60 * number, UTC), **fields),
            (),
        )
        for number, fields in enumerate(given)
    ]


def test_report_and_sql_start_without_pyiceberg_which_takes_a_second() -> None:
    ask = "import sys, clickstream_archive.report, clickstream_archive.sql; print('pyiceberg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_report_counts_a_day_from_the_typed_table(run: Run, catalog: Catalog) -> None:
    write_raw(
        catalog,
        events(
            {"session_id": "a", "event_type": "page_view", "user_id": "u1", "country": "KR", "duration_ms": 1000},
            {"session_id": "a", "event_type": "add_to_cart", "user_id": "u1", "country": "KR", "duration_ms": 2000},
            {"session_id": "a", "event_type": "purchase", "user_id": "u1", "country": "KR", "duration_ms": 4000},
            {"session_id": "b", "event_type": "purchase", "user_id": "u2", "country": "US", "duration_ms": 0},
            {"session_id": "b", "event_type": "page_view", "user_id": "u2", "country": "US", "duration_ms": 0},
            {"session_id": "c", "event_type": "page_view", "user_id": "u2", "country": None, "page_url": "/end"},
        ),
    )
    assert run("compact")[0] == 0
    status, day = run("report", "--day", DAY, "--json")
    assert status == 0
    assert (day["events"], day["users"], day["sessions"], day["avg_duration_ms"]) == (6, 2, 3, (7000 + 2500) // 6)
    assert day["event_types"] == {"page_view": 3, "purchase": 2, "add_to_cart": 1}
    assert day["countries"] == {"KR": 3, "US": 2}
    assert day["top_pages"] == {"/products/laptop": 5, "/end": 1}
    assert day["funnel"] == {"page_view": 3, "add_to_cart": 1, "purchase": 1}
    assert [each["events"] for each in day["hours"]] == [0] * 10 + [6] + [0] * 13
    assert day["source"]["compacted"] == ["10"]
    assert day["source"]["raw"] == []


def test_hours_that_are_not_compacted_are_counted_from_raw_records(run: Run, catalog: Catalog) -> None:
    recorded = recorded_pipeline(events=900, seconds=9_000)
    late = [each for each in recorded.read(EVENTS, "") if each.timestamp % 7 == 1]
    write_raw(catalog, recorded.without(*late).messages)
    run("compact")
    whole = run("report", "--day", DAY, "--json")[1]
    write_raw(catalog, late)
    status, day = run("report", "--day", DAY, "--json")
    assert status == 0
    assert (day["source"]["raw"], day["source"]["compacted"]) == (["10", "11", "12"], [])
    assert day["events"] > whole["events"]
    run("compact")
    again = run("report", "--day", DAY, "--json")[1]
    for name in ("events", "users", "sessions", "funnel", "hours", "top_pages", "countries"):
        assert day[name] == again[name]
    assert day["source"]["untyped"] == again["source"]["untyped"]
    assert again["source"]["compacted"] == ["10", "11", "12"]
    text = run("report", "--day", DAY)[1]
    assert "Not among the events are records that are none: bad_timestamp " in text


def test_an_event_of_the_day_that_arrives_on_the_next_one_counts(run: Run, catalog: Catalog) -> None:
    late, arrives = datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 27, 0, 0, 30, tzinfo=UTC)
    write_raw(catalog, [Message(EVENTS, 0, 0, int(arrives.timestamp() * 1000), None, event_value(late), ())])
    assert run("report", "--day", DAY, "--json")[1]["events"] == 1
    run("compact", "--open-hours")
    assert run("report", "--day", DAY, "--json")[1]["events"] == 1
    assert run("report", "--day", "2026-11-27", "--json")[1]["events"] == 0


def test_an_event_counts_on_its_day_however_far_from_it_its_record_is_dated(run: Run, catalog: Catalog) -> None:
    noon, hour_ms = datetime(2026, 11, 26, 12, tzinfo=UTC), 3_600_000
    recorded_at = [int(noon.timestamp() * 1000) + hours * hour_ms for hours in (-60, -20, -5, 0, 5, 20, 60)]
    write_raw(
        catalog,
        [Message(EVENTS, 0, n, at, None, event_value(noon), ()) for n, at in enumerate([-1, *recorded_at])],
    )
    before = run("report", "--day", DAY, "--json")[1]
    assert before["events"] == 8
    run("compact")
    after = run("report", "--day", DAY, "--json")[1]
    write_raw(catalog, [Message(EVENTS, 1, 0, recorded_at[0], None, b"not an event", ())])
    partly = run("report", "--day", DAY, "--json")[1]
    for day in (after, partly):
        assert {**day, "source": 0, "remarks": 0, "seconds": 0} == {**before, "source": 0, "remarks": 0, "seconds": 0}
    assert (after["source"]["compacted"], after["source"]["raw"]) == (["07", "12", "17"], [])
    assert after["source"]["archive_begins"] == "2026-11-24T00"


def test_a_day_whose_raw_records_were_deleted_is_reported_from_the_typed_table(run: Run, catalog: Catalog) -> None:
    table = write_raw(catalog, recorded_pipeline(events=50, seconds=60).messages)
    write_raw(catalog, events({}, start=datetime(2026, 11, 27, 9, tzinfo=UTC)))
    run("compact")
    before = run("report", "--day", DAY, "--json")[1]
    table.refresh()
    table.delete("day = '26'")
    after = run("report", "--day", DAY, "--json")[1]
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert after["source"]["archive_begins"] == "2026-11-26T10"


def test_days_without_data_are_said_in_words(run: Run, catalog: Catalog) -> None:
    write_raw(catalog, recorded_pipeline(events=50, seconds=60).read(METRICS, ""))
    assert run("report", "--day", DAY) == (0, "The archive has no events yet.\n")
    write_raw(catalog, events({}))
    status, text = run("report", "--day", "2026-11-30")
    assert status == 0
    assert text == "There are no events of 2026-11-30; the archive has hours from 2026-11-26T10 to 2026-11-26T10.\n"
    text = run("report", "--day", DAY)[1]
    assert "The archive begins at 2026-11-26T10, so earlier events of the day are not in it." in text
    assert "Hour 10 is not compacted yet: counted from the raw records." in text


def test_a_warehouse_without_an_archive_is_one_line(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    status, text = run("report", "--day", DAY, "--warehouse", str(tmp_path / "elsewhere"))
    words = f"there is no table clickstream.raw in file://{tmp_path}/elsewhere (hadoop catalog)"
    assert (status, text) == (1, f"clickstream-archive report: {words}\n")


@pytest.mark.parametrize("day", ["2026-11-31", "tomorrow", "26.11.2026"])
def test_a_day_that_is_none_is_one_line_and_status_2(run: Run, catalog: Catalog, day: str) -> None:
    status, text = run("report", "--day", day)
    assert status == 2
    assert f"DAY={day} (from --day): expected a day such as 2026-11-27, or today or yesterday (in UTC)" in text


def test_the_page_has_everything_in_it(run: Run, catalog: Catalog, tmp_path: Path) -> None:
    write_raw(catalog, events({"page_url": "</script><script>alert(1)</script>"}, {"referrer": "<!--"}))
    status, text = run("report", "--day", DAY, "--html", str(tmp_path / "day.html"))
    assert status == 0
    assert text.endswith(f"The page is {tmp_path / 'day.html'}\n")
    page = (tmp_path / "day.html").read_text()
    outside_scripts = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)=|@import|url\(", outside_scripts)
    assert page.count("</script>") == 3
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert json.loads(data[1])["events"] == 2
    assert run("report", "--day", DAY, "--html", str(tmp_path / "no/day.html"))[0] == 1


def test_the_page_draws_its_charts_without_a_network(
    run: Run, catalog: Catalog, tmp_path: Path, browser: Browser
) -> None:
    recorded = recorded_pipeline(events=400)
    write_raw(catalog, recorded.messages)
    run("report", "--day", DAY, "--html", str(tmp_path / "day.html"))
    page = browser.new_page(offline=True)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "day.html").as_uri())
    page.wait_for_selector("canvas")
    assert errors == []
    assert page.locator("canvas").count() == 5
    assert page.locator("h1").inner_text() == f"Clickstream {DAY} (UTC)"
    assert "Pages" in page.locator("main").inner_text()
    page.close()
