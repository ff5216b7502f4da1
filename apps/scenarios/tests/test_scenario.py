"""A scenario's JSON: the reference's example, everything that is refused and how it is named, and back again."""

from collections.abc import Mapping
from typing import Any

import pytest

from clickstream_scenarios.errors import InvalidScenario
from clickstream_scenarios.scenario import OPERATORS, Filter, read_scenario, scenario_json

REFERENCE: Mapping[str, Any] = {
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


def problems(**changes: Any) -> list[str]:
    """What is wrong with the reference's example after a change."""
    try:
        read_scenario({**REFERENCE, **changes})
    except InvalidScenario as error:
        return [str(each) for each in error.problems]
    return []


def test_the_references_example_is_accepted_and_returned() -> None:
    scenario = read_scenario(REFERENCE, version=3, active=False)
    assert scenario.kept == ("memberId", "h")
    assert scenario.filters[0] == Filter("age", ">", "20")
    assert (scenario.version, scenario.active, scenario.timezone) == (3, False, "UTC")
    assert scenario_json(scenario) == {**REFERENCE, "timezone": "UTC"}
    assert read_scenario(scenario_json(scenario), version=3, active=False) == scenario


def test_what_the_store_adds_may_stand_in_the_json() -> None:
    assert problems(version=7, active=True, changed_at="2026-11-27T10:00:00Z", changed_by="kim") == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scenario_id": 0}, "scenario_id: must be a whole number from 1 to 9223372036854775807"),
        ({"scenario_id": "5"}, "scenario_id: must be a whole number from 1 to 9223372036854775807"),
        ({"scenario_id": True}, "scenario_id: must be a whole number from 1 to 9223372036854775807"),
        ({"title": " "}, "title: must be text of 1 to 200 characters"),
        ({"title": "a\nb"}, "title: must not have line breaks or other control characters"),
        ({"title": "\ud83d"}, "title: has half a surrogate pair"),
        ({"manager": 5}, "manager: must be text of 0 to 200 characters"),
        ({"log_format": []}, "log_format: must be an object of {field: 0 or 1}"),
        ({"log_format": {"e_c": 2}}, "log_format.e_c: must be 0 (left out) or 1 (kept)"),
        ({"log_format": {"e_c": True}}, "log_format.e_c: must be 0 (left out) or 1 (kept)"),
        ({"log_format": {"remote_addr": 1}}, "log_format.remote_addr: a visitor's address is never used"),
        ({"filters": {}}, "filters: must be a list of {left, operator, right}"),
        ({"filters": [5]}, "filters[0]: must be an object with left, operator and right"),
        ({"logical_operator": "and"}, "logical_operator: must be AND or OR"),
        (
            {"timezone": "Korea"},
            "timezone: must be the name of a time zone, such as UTC, Asia/Seoul or Europe/Berlin",
        ),
        (
            {"logicaloperator": "OR"},
            (
                "logicaloperator: is not known; a scenario has scenario_id, title, manager, log_format, filters,"
                " logical_operator, timezone"
            ),
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(changes: dict[str, Any], expected: str) -> None:
    assert problems(**changes) == [expected]


@pytest.mark.parametrize("name", ["../../etc/passwd", "America", "", "/etc/localtime", "a" * 300])
def test_a_time_zone_is_no_way_into_the_file_system(name: str) -> None:
    assert len(problems(timezone=name)) == 1


@pytest.mark.parametrize(
    ("operator", "right", "expected"),
    [
        ("=", "1", f"operator: must be one of {', '.join(OPERATORS)}"),
        ("IN", "1", f"operator: must be one of {', '.join(OPERATORS)}"),
        ("==", None, "right: must be text or a number"),
        ("==", True, "right: must be text or a number"),
        ("==", ["1"], "right: must be text or a number"),
        ("==", "x" * 4001, "right: must have at most 4000 characters"),
        ("in", "", 'right: must be a list, or text with commas: ["MALE", "FEMALE"] or "MALE, FEMALE"'),
        ("in", [], "right: must have 1 to 1000 values"),
        ("not in", [[1]], "right: must be text or a number"),
        ("contains", "", "right: must not be empty: every text contains nothing"),
        ("matches", "(?=a)", "right: is no pattern of RE2: invalid perl operator: (?="),
        ("matches", r"(a)\1", r"right: is no pattern of RE2: invalid escape sequence: \1"),
        ("matches", "a" * 1001, "right: must be a pattern of at most 1000 characters, not 1001"),
        ("exists", "yes", "right: must be empty: exists asks only whether the field is there"),
    ],
)
def test_a_wrong_filter_is_named_with_its_place(operator: str, right: Any, expected: str) -> None:
    assert problems(filters=[{"left": "a", "operator": operator, "right": right}]) == [f"filters[0].{expected}"]


@pytest.mark.parametrize(
    ("operator", "right"),
    [
        ("==", ""),
        ("==", 0),
        ("<", 1.5),
        ("in", "MALE, FEMALE"),
        ("in", ["a", 1]),
        ("matches", "^a.*z$"),
        ("exists", ""),
    ],
)
def test_a_right_side_comes_back_as_it_was_written(operator: str, right: Any) -> None:
    filters = [{"left": "a", "operator": operator, "right": right}]
    assert scenario_json(read_scenario({**REFERENCE, "filters": filters}))["filters"] == filters


def test_a_filter_that_asks_whether_a_field_exists_needs_no_right_side() -> None:
    assert problems(filters=[{"left": "a", "operator": "exists"}]) == []


def test_all_problems_are_found_at_once() -> None:
    assert len(problems(scenario_id=None, title="", filters=[{"left": ""}, {}], logical_operator="XOR")) == 7


@pytest.mark.parametrize("value", [None, [], "5", 5])
def test_only_an_object_is_a_scenario(value: object) -> None:
    with pytest.raises(InvalidScenario, match="expected an object with scenario_id, title"):
        read_scenario(value)
