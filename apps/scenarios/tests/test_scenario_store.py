import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text, update

from clickstream_scenarios.models import ScenarioRow
from clickstream_scenarios.scenario import Scenario, read_scenario, scenario_json
from clickstream_scenarios.scenario_store import (
    NoSuchScenario,
    ScenarioExists,
    VersionConflict,
    create_scenario,
    free_id,
    get_changes,
    get_scenario,
    get_versions,
    load_scenarios,
    revision,
    save_scenario,
)

NOW = datetime(2026, 11, 27, 13, 0, 0, 123456, UTC)
REFERENCE: dict[str, Any] = {
    "scenario_id": 5,
    "title": "9시 이후 구매 버튼을 클릭한 성인 남성 사용자 필터링",
    "manager": "admin_user",
    "log_format": {"e_c": 0, "e_a": 0, "memberId": 1, "h": 1, "res": 0},
    "filters": [
        {"left": "age", "operator": ">", "right": "20"},
        {"left": "gender", "operator": "==", "right": "MALE"},
        {"left": "h", "operator": ">=", "right": "9"},
    ],
    "logical_operator": "AND",
}
SCENARIO = read_scenario(REFERENCE)


def _titles(engine: Engine) -> list[tuple[int, str]]:
    return [(each.scenario.version, each.scenario.title) for each in get_versions(engine, 5)]


def test_a_scenario_comes_back_as_it_was_saved(database: Engine) -> None:
    made = create_scenario(database, SCENARIO, "유진", NOW)
    assert get_scenario(database, 5) == made
    assert (made.scenario, made.changed_by, made.changed_at.replace(tzinfo=UTC)) == (SCENARIO, "유진", NOW)
    assert scenario_json(made.scenario) == REFERENCE | {"timezone": "UTC"}
    assert load_scenarios(database)[1] == [made]


def test_each_change_is_a_version_with_who_and_when(database: Engine) -> None:
    create_scenario(database, SCENARIO, "kim", NOW)
    later = NOW + timedelta(hours=1)
    save_scenario(database, replace(SCENARIO, title="second"), 1, "lee", later)
    save_scenario(database, replace(SCENARIO, title="second", active=False), 2, "lee", later)
    save_scenario(database, replace(SCENARIO, title="second", active=True), 3, "lee", later)
    save_scenario(database, SCENARIO, 4, "kim", later, restored=1)
    assert _titles(database)[1:4] == [(4, "second"), (3, "second"), (2, "second")]
    changes = [(each.version, each.action, each.changed_by, each.detail) for each in get_changes(database, 5)]
    assert changes == [
        (5, "restored", "kim", "version 1"),
        (4, "activated", "lee", ""),
        (3, "deactivated", "lee", ""),
        (2, "edited", "lee", ""),
        (1, "created", "kim", ""),
    ]
    assert get_scenario(database, 5).scenario == replace(SCENARIO, version=5)


def test_saving_without_a_difference_makes_no_version(database: Engine) -> None:
    made = create_scenario(database, SCENARIO, "kim", NOW)
    assert save_scenario(database, SCENARIO, 1, "lee", NOW) == made
    assert len(get_changes(database, 5)) == 1


def test_a_change_on_an_older_version_is_refused_with_the_newer_one(database: Engine) -> None:
    create_scenario(database, SCENARIO, "kim", NOW)
    newer = save_scenario(database, replace(SCENARIO, title="lee's"), 1, "lee", NOW)
    with pytest.raises(VersionConflict) as conflict:
        save_scenario(database, replace(SCENARIO, title="kim's"), 1, "kim", NOW)
    assert conflict.value.current == newer
    assert _titles(database)[0] == (2, "lee's")


def test_of_changes_at_once_one_wins(url: str, database: Engine, open_database: Callable[[str], Engine]) -> None:
    create_scenario(database, SCENARIO, "kim", NOW)
    start = threading.Barrier(6)
    done: list[str] = []

    def save(number: int) -> None:
        engine = open_database(url)
        start.wait()
        try:
            save_scenario(engine, replace(SCENARIO, title=f"{number}"), 1, "kim", NOW)
            done.append("saved")
        except VersionConflict:
            done.append("conflict")

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(done) == ["conflict"] * 5 + ["saved"]
    assert len(_titles(database)) == len(get_changes(database, 5)) == 2


def test_ids_are_free_or_taken(database: Engine) -> None:
    assert free_id(database) == 1
    create_scenario(database, SCENARIO, "kim", NOW)
    assert free_id(database) == 6
    with pytest.raises(ScenarioExists):
        create_scenario(database, SCENARIO, "kim", NOW)
    for missing in (lambda: get_scenario(database, 6), lambda: get_versions(database, 6)):
        with pytest.raises(NoSuchScenario):
            missing()
    with pytest.raises(NoSuchScenario):
        save_scenario(database, Scenario(6, "six"), 1, "kim", NOW)


def test_every_change_makes_another_revision(database: Engine) -> None:
    seen = {revision(database)}
    create_scenario(database, SCENARIO, "kim", NOW)
    seen.add(revision(database))
    save_scenario(database, replace(SCENARIO, title="second"), 1, "kim", NOW)
    seen.add(revision(database))
    create_scenario(database, replace(SCENARIO, scenario_id=6), "kim", NOW)
    seen.add(revision(database))
    assert len(seen) == 4
    assert load_scenarios(database)[0] == revision(database)


def test_a_row_that_is_no_scenario_is_left_out_and_spoils_no_other(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    create_scenario(database, SCENARIO, "kim", NOW)
    create_scenario(database, replace(SCENARIO, scenario_id=6), "kim", NOW)
    with database.begin() as connection:
        broken = {**REFERENCE, "filters": [{"left": "age", "operator": "~", "right": 1}]}
        connection.execute(update(ScenarioRow).where(ScenarioRow.scenario_id == 6).values(definition=broken))
    assert [each.scenario.scenario_id for each in load_scenarios(database)[1]] == [5]
    assert "Version 1 of scenario 6 in the database is left out: filters[0].operator: must be one of" in caplog.text


def test_texts_stay_texts_whatever_they_contain(database: Engine) -> None:
    title = "'); DROP TABLE scenario; -- <script>alert(1)</script> \\ % 😀"
    create_scenario(database, replace(SCENARIO, title=title), title, NOW)
    assert get_scenario(database, 5).scenario.title == get_scenario(database, 5).changed_by == title
    with database.connect() as connection:
        stored = connection.scalar(text("SELECT definition FROM scenario"))
    assert "😀" in str(stored), "readable in the database's own client"
