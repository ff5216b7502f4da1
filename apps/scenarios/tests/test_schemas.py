"""docs/schemas is what the scenarios accept, write and refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clickstream_producer.access_logs import TrackedShop, encode_access_log
from clickstream_scenarios.errors import InvalidRequest, InvalidScenario
from clickstream_scenarios.member import Member
from clickstream_scenarios.partition import Commit
from clickstream_scenarios.requests import LeftOut, Request, read_access_log
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.scenario import OPERATORS, read_scenario
from clickstream_scenarios.task import decode_commit, encode_commit

SCHEMAS = Path(__file__).parents[3] / "docs/schemas"
SCENARIO = {
    "scenario_id": 5,
    "title": "t",
    "manager": "",
    "log_format": {"e_c": 1, "memberId": 1, "h": 1, "age": 1},
    "filters": [{"left": "age", "operator": ">", "right": "20"}],
    "logical_operator": "AND",
    "timezone": "UTC",
}
LINE = {"method": "GET", "request_uri": "/5", "status": 200, "time": "2026-11-27T10:00:00Z", "request_id": "a"}
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    2,
    -1,
    1.5,
    "",
    " ",
    "x",
    "a\nb",
    "5" * 5000,
    [],
    ["a"],
    [None],
    [[]],
    {},
    {"a": 1},
    {"": 0},
)


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))


def is_scenario(value: object) -> bool:
    try:
        read_scenario(value)
    except InvalidScenario:
        return False
    return True


def test_schema_and_reader_are_of_one_mind_about_scenarios() -> None:
    changed: list[Any] = [SCENARIO, [], "x", {**SCENARIO, "more": 1}, {**SCENARIO, "version": "any"}]
    changed += [{**SCENARIO, name: value} for name in SCENARIO if name != "timezone" for value in ODD]
    changed += [{**SCENARIO, "timezone": value} for value in (None, 1, "", "Asia/Seoul", "x" * 65)]
    changed += [{key: value for key, value in SCENARIO.items() if key != name} for name in SCENARIO]
    changed += [{**SCENARIO, "log_format": {name: 1}} for name in ("remote", "remote_addr", " ", "x" * 257)]
    filters = [{"left": "a", "operator": each, "right": value} for each in OPERATORS for value in ODD]
    filters += [{"left": "a", "operator": each} for each in OPERATORS]
    filters += [{"left": value, "operator": "exists"} for value in ODD]
    filters += [{"left": "a", "operator": "exists", "more": 1}, {"left": "a", "operator": "=", "right": "1"}]
    changed += [{**SCENARIO, "filters": [each]} for each in filters]
    valid = schema("scenario").is_valid
    assert [each for each in changed if valid(each) != is_scenario(each)] == []


def is_access_log(value: object) -> bool:
    try:
        read_access_log(json.dumps(value).encode(), 0)
    except InvalidRequest:
        return False
    return True


def test_schema_and_reader_are_of_one_mind_about_requests_of_a_scenario() -> None:
    changed: list[Any] = [LINE, [], "x", {**LINE, "more": 1}]
    changed += [{**LINE, name: value} for name in ("method", "status") for value in ODD]
    times: list[Any] = [None, "", True, [], {}, 1_795_773_600, 1_795_773_600.5]
    changed += [{**LINE, "time": value} for value in times]
    changed += [{key: value for key, value in LINE.items() if key != name} for name in LINE]
    valid = schema("access-log").is_valid
    assert [each for each in changed if valid(each) != is_access_log(each)] == []


def test_access_logs_of_the_producer_fit() -> None:
    shop = TrackedShop(seed=1, members=10, scenarios=[5])
    kinds = set()
    for number in range(300):
        value = encode_access_log(shop.next_log(1_795_773_600_000 + number))
        schema("access-log").validate(json.loads(value))
        kinds.add(type(read_access_log(value, 0)))
    assert kinds == {Request, LeftOut}


@pytest.mark.parametrize("member", [None, Member("7", "MALE", None, {"grade": "gold", "vip": True})])
def test_results_fit(member: Member | None) -> None:
    rule = Rule(read_scenario({**SCENARIO, "log_format": dict.fromkeys(["e_c", "grade", "vip", "h", "age"], 1)}))
    request = read_access_log(json.dumps({**LINE, "request_uri": "/5?memberId=7&e_c=x"}).encode(), 0)
    assert isinstance(request, Request)
    result = rule.apply(request, member)
    schema("scenario-result").validate(result)
    assert ("member_known" in result) == (member is None)


def test_commits_fit() -> None:
    commit = Commit(replay_from=7)
    schema("scenarios-commit").validate(json.loads(encode_commit(commit)))
    assert decode_commit(encode_commit(commit)) == commit
    assert [decode_commit(each) for each in ("", "{}", "[]", '{"replay_from": "7"}')] == [None] * 4
