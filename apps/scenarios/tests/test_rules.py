"""A rule's result: kept fields, where values come from, AND and OR, and an oracle for whole scenarios."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_scenarios.member import Member
from clickstream_scenarios.requests import Request, read_access_log
from clickstream_scenarios.rules import Rule, encode_result
from clickstream_scenarios.scenario import read_scenario

TEN = 1_795_773_600_000  # 2026-11-27T10:00:00Z
MAN = Member("123456", "MALE", date(2001, 11, 1), {"grade": "gold", "points": 120, "vip": True})


def rule(*filters: tuple[str, str, Any], keep: tuple[str, ...] = (), version: int = 1, **changes: Any) -> Rule:
    value = {
        "scenario_id": 5,
        "title": "t",
        "log_format": dict.fromkeys(keep, 1),
        "filters": [{"left": left, "operator": operator, "right": right} for left, operator, right in filters],
        **changes,
    }
    return Rule(read_scenario(value, version=version))


def request(query: str = "", time: int = TEN) -> Request:
    target = f"/5?{query}" if query else "/5"
    line = {"method": "GET", "request_uri": target, "status": 200, "time": time, "remote_addr": "203.0.113.7"}
    read = read_access_log(json.dumps(line).encode(), 0)
    assert isinstance(read, Request)
    return read


def test_a_result_has_the_kept_fields_in_their_order_and_its_own() -> None:
    made = rule(keep=("memberId", "h", "age", "grade", "vip", "e_n", "none"), version=3, timezone="Asia/Seoul")
    result = made.apply(request("e_n=%EA%B5%AC%EB%A7%A4&memberId=123456&left=out"), MAN)
    assert list(result.items()) == [
        ("memberId", "123456"),
        ("h", 19),
        ("age", 25),
        ("grade", "gold"),
        ("vip", True),
        ("e_n", "구매"),
        ("success", 1),
        ("scenario_id", 5),
        ("date", "2026-11-27 19:00:00"),
        ("timestamp", "2026-11-27T10:00:00.000Z"),
        ("version", 3),
    ]
    assert json.loads(encode_result(result)) == result


def test_a_format_of_zero_leaves_a_field_out() -> None:
    made = rule(log_format={"a": 0, "b": 1})
    assert "a" not in made.apply(request("a=1&b=2&c=3"), None)
    assert made.apply(request("a=1&b=2&c=3"), None)["b"] == "2"


def test_a_results_own_fields_are_not_replaced_by_parameters() -> None:
    made = rule(("nothing", "exists", ""), keep=("success", "scenario_id", "date", "timestamp", "version"))
    result = made.apply(request("success=1&scenario_id=9&date=x&timestamp=x&version=9"), None)
    assert (result["success"], result["scenario_id"], result["version"]) == (0, 5, 1)
    assert result["date"] == "2026-11-27 10:00:00"


@pytest.mark.parametrize(
    ("field", "query", "member", "value"),
    [
        ("scenario_id", "scenario_id=9", None, 5),
        ("method", "method=POST", None, "GET"),
        ("path", "path=/x", None, "/5"),
        ("h", "", None, 10),
        ("h", "h=23", None, 23),
        ("h", "h=09", None, 9),
        ("h", "h=noon", None, "noon"),
        ("age", "age=99", None, None),
        ("age", "age=99", MAN, 25),
        ("age", "", Member("1"), None),
        ("gender", "gender=MALE", None, None),
        ("gender", "gender=FEMALE", MAN, "MALE"),
        ("grade", "grade=platinum", MAN, "gold"),
        ("grade", "grade=platinum", None, "platinum"),
        ("e_c", "e_c=", None, ""),
        ("e_c", "", None, None),
    ],
)
def test_where_a_value_comes_from(field: str, query: str, member: Member | None, value: Any) -> None:
    assert rule(keep=(field,)).apply(request(query), member).get(field) == value


def test_the_address_is_never_in_a_request() -> None:
    assert request("a=1").parameters == {"a": "1"}


@pytest.mark.parametrize(
    ("logical", "query", "success"),
    [
        ("AND", "a=1&b=1", 1),
        ("AND", "a=1&b=2", 0),
        ("OR", "a=1&b=2", 1),
        ("OR", "a=2&b=2", 0),
        ("OR", "", 0),
    ],
)
def test_filters_are_joined_by_and_or_or(logical: str, query: str, success: int) -> None:
    made = rule(("a", "==", "1"), ("b", "==", "1"), logical_operator=logical)
    assert made.apply(request(query), None)["success"] == success
    assert made.explain(request("a=1&b=2"), None) == [True, False]


@pytest.mark.parametrize("logical", ["AND", "OR"])
def test_without_filters_every_request_succeeds(logical: str) -> None:
    assert rule(logical_operator=logical).apply(request(), None)["success"] == 1


def test_age_is_that_of_the_requests_day_in_the_scenarios_time_zone() -> None:
    birthday = Member("1", birth_date=date(2000, 11, 28))
    evening = TEN + 6 * 3_600_000
    assert rule(keep=("age",)).apply(request("memberId=1", evening), birthday)["age"] == 25
    assert rule(keep=("age",), timezone="Asia/Seoul").apply(request("memberId=1", evening), birthday)["age"] == 26


def test_a_member_that_is_not_known_is_marked_where_the_rule_needs_one() -> None:
    aged = rule(("age", ">", 20))
    assert aged.apply(request("memberId=9"), None)["member_known"] is False
    assert "member_known" not in aged.apply(request("memberId=123456"), MAN)
    assert "member_known" not in aged.apply(request(), None)
    assert "member_known" not in rule(("h", ">", 8), keep=("memberId",)).apply(request("memberId=9"), None)


@pytest.mark.parametrize(
    ("fields", "query", "wanted"),
    [
        (("age",), "memberId=1", "1"),
        (("h", "date", "memberId"), "memberId=1", ""),
        (("e_c",), "memberId=1", "1"),
        (("age",), "", ""),
        (("age",), "memberId=", ""),
        (("age",), "memberId=" + "1" * 300, ""),
    ],
)
def test_a_member_is_looked_up_only_when_something_of_it_is_named(
    fields: tuple[str, ...], query: str, wanted: str
) -> None:
    assert rule(keep=fields).member_id(request(query)) == wanted


NAMES = ("a", "b", "age", "gender", "h")
FILTERS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["==", "!=", ">", "in", "contains", "exists"]), st.just("20")),
    max_size=4,
)


@given(
    FILTERS,
    st.sampled_from(["AND", "OR"]),
    st.dictionaries(st.sampled_from(["a", "b", "h"]), st.sampled_from(["", "9", "20", "20.0", "200", "x20"])),
    st.sampled_from([None, MAN, Member("2", "20")]),
    st.sets(st.sampled_from(NAMES)),
)
def test_a_scenario_is_as_the_oracle_has_it(
    filters: list[tuple[str, str, str]], logical: str, parameters: dict[str, str], member: Member | None, keep: set[str]
) -> None:
    values: dict[str, Any] = {"h": 10, **parameters}
    if values["h"] in ("9", "20", "200"):
        values["h"] = int(values["h"])
    if member is not None:
        values |= {"gender": member.gender, "age": 25 if member.birth_date else None}
    values = {name: value for name, value in values.items() if value is not None}
    held = [name in values and oracle(values[name], operator) for name, operator, _ in filters]
    success = not filters or (all(held) if logical == "AND" else any(held))

    made = rule(
        *((a, o, "" if o == "exists" else r) for a, o, r in filters), keep=tuple(keep), logical_operator=logical
    )
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    result = made.apply(request(query), member)

    assert result["success"] == success
    kept: Mapping[str, Any] = {name: values[name] for name in keep if name in values}
    assert {name: result[name] for name in NAMES if name in result} == kept


def oracle(value: Any, operator: str) -> bool:
    """Whether a value stands to 20 as the operator says."""
    text = str(value)
    number = float(text) if text.replace(".", "").isdigit() else None
    return {
        "==": number == 20 if number is not None else text == "20",
        "!=": number != 20 if number is not None else text != "20",
        ">": number > 20 if number is not None else text > "20",
        "in": number == 20 if number is not None else text == "20",
        "contains": "20" in text,
        "exists": True,
    }[operator]
