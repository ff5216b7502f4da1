"""A database that is full or read-only: one clear line, nothing lost, and rules that hold."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine, event

from clickstream_scenarios.cache import Cache
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.scenario import read_scenario
from clickstream_scenarios.scenario_store import create_scenario, get_scenario, load_scenarios, revision
from kit.mariadb import MariaDB
from kit.scenario_admin import scenario_admin
from kit.scenarios import REFERENCE

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OpenDatabase = Callable[[str], Engine]
OpenCache = Callable[[str | None], Cache]


def _fill(engine: Engine, pages: int) -> None:
    """Let the file of SQLite have so many pages and no more: what a full disk is to it."""
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages}"))


@pytest.fixture
def engine(tmp_path: Path, open_database: OpenDatabase) -> Engine:
    made = open_database(f"sqlite:///{tmp_path}/scenarios.db")
    migrate(made)
    create_scenario(made, read_scenario(REFERENCE), "kim", NOW)
    return made


def test_a_full_disk_refuses_a_change_in_one_line_and_loses_none_before(engine: Engine, open_cache: OpenCache) -> None:
    _fill(engine, 1)  # no more than it has
    title, saved = "x" * 200, []
    with scenario_admin(engine, open_cache(None)) as admin:
        for number in range(6, 200):
            body: dict[str, Any] = {**REFERENCE, "scenario_id": number, "title": title}
            status, headers, answer = admin.ask("POST", "/api/scenarios", body)
            if status != 201:
                break
            saved.append(answer)
        assert (status, headers["retry-after"]) == (503, "5")
        assert answer["error"] == "the database takes no changes: its disk is full (database or disk is full)"
        before = revision(engine)
        assert admin.ask("POST", "/api/scenarios", body)[0] == 503
        assert revision(engine) == before, "half a change is none"
        assert admin.ask("GET", "/api/scenarios")[2]["scenarios"][1:] == saved
        assert [each.scenario.scenario_id for each in load_scenarios(engine)[1]] == [5, *range(6, number)]
        assert admin.ask("GET", "/api/scenarios/5/history")[0] == 200

        _fill(engine, 1_000_000)
        assert admin.ask("POST", "/api/scenarios", body)[0] == 201, "with room again it goes on"


def test_a_mariadb_that_is_read_only_refuses_a_change_in_one_line(
    mariadb_server: MariaDB, open_database: OpenDatabase, open_cache: OpenCache
) -> None:
    engine = open_database(mariadb_server.make_database("readonly"))
    migrate(engine)
    create_scenario(engine, read_scenario(REFERENCE), "kim", NOW)
    with scenario_admin(engine, open_cache(None)) as admin:
        mariadb_server.run("SET GLOBAL read_only = ON")
        try:
            status, _, answer = admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "title": "new"})
            assert status == 503
            assert answer["error"].startswith("the database takes no changes: it accepts no writing now (")
            assert admin.ask("GET", "/api/scenarios/5")[2]["title"] == REFERENCE["title"]
        finally:
            mariadb_server.run("SET GLOBAL read_only = OFF")
        assert admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "title": "new"})[0] == 200


def test_the_page_keeps_what_was_typed_until_there_is_room(
    engine: Engine, open_cache: OpenCache, browser: Browser
) -> None:
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with scenario_admin(engine, open_cache(None)) as admin:
        page.goto(f"{admin.url}#/5")
        page.get_by_role("group", name="Condition 1").get_by_label("Value").fill("21")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#sentence")).to_contain_text("greater than 21")  # comes a moment after the refusal
        expect(page.get_by_text("the database takes no changes: it accepts no writing now")).to_be_visible()
        assert get_scenario(engine, 5).scenario == read_scenario(REFERENCE)

        engine.dispose()
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = OFF"))
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#editor-title")).to_have_text("Scenario 5, version 2")
    context.close()
    assert get_scenario(engine, 5).scenario.filters[0].right == "21"
