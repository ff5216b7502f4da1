"""Every operator with types and absences in a table, and against an oracle of a few lines."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_scenarios.operators import question
from clickstream_scenarios.requests import Request
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.scenario import COMPARISONS, Filter, Scenario, read_scenario

TABLE: list[tuple[Any, str, Any, bool]] = [
    # numbers, as numbers or as text
    (25, ">", "20", True),
    ("25", ">", 20, True),
    ("9", "<", "10", True),
    ("9", ">", "10", False),
    ("20", ">", "20", False),
    ("20", ">=", "20", True),
    ("20", "<=", "20", True),
    ("-1", "<", "0", True),
    ("+5", "==", "5", True),
    ("20", "==", "20.0", True),
    ("007", "==", "7", True),
    ("1e3", "==", "1000", True),
    (" 20 ", "==", "20", True),
    ("20", "!=", "20.0", False),
    (0.1, "==", "0.1", True),
    ("12345678901234567890", "==", "12345678901234567891", False),
    ("9" * 5000, ">", "20", True),
    ("1e999", "<", "1e1000", True),
    ("1_000", "==", "1000", False),
    ("0x14", "==", "20", False),
    ("nan", "==", "nan", True),
    ("inf", ">", "5", True),
    ("٢٠", "==", "20", False),
    # text
    ("MALE", "==", "MALE", True),
    ("male", "==", "MALE", False),
    ("MALE", "!=", "FEMALE", True),
    ("", "==", "", True),
    ("", "!=", "a", True),
    ("b", ">", "a", True),
    ("B", ">", "a", False),
    ("나", ">", "가", True),
    ("abc", ">", "20", True),
    ("25a", ">", "3", False),
    (25, "==", "abc", False),
    (True, "==", "true", True),
    (False, "==", "false", True),
    (True, "==", "1", False),
    (True, ">", 0, True),
    # lists
    ("MALE", "in", ["MALE", "FEMALE"], True),
    ("MALE", "in", "FEMALE, MALE", True),
    ("MALE", "in", "FEMALE", False),
    ("20.0", "in", "10, 20", True),
    (20, "in", [10, 20], True),
    ("20", "in", [20], True),
    (True, "in", "true,false", True),
    (True, "in", [1], False),
    ("", "in", "a,,b", True),
    ("a,b", "in", ["a,b"], True),
    ("MALE", "not in", ["MALE"], False),
    ("OTHER", "not in", "MALE,FEMALE", True),
    ("7", "not in", ["7.0"], False),
    # about text
    ("buttonClick", "contains", "Click", True),
    ("buttonClick", "contains", "click", False),
    (1234, "contains", "23", True),
    (20.0, "contains", ".", False),
    ("/product_detail/1", "starts with", "/product", True),
    ("/product_detail/1", "starts with", "product", False),
    ("/product_detail/1", "ends with", 1, True),
    ("/product_detail/1", "ends with", "/", False),
    ("구매하기", "contains", "매하", True),
    ("1920x1080", "matches", "^[0-9]+x[0-9]+$", True),
    ("1920x1080", "matches", "x", True),
    ("1920x1080", "matches", "^x", False),
    ("구매", "matches", "^.매$", True),
    ("a\nb", "matches", "^b", False),
    ("", "matches", "^$", True),
    # presence
    ("", "exists", "", True),
    (0, "exists", None, True),
    (False, "exists", "", True),
]


def scenario(left: str, operator: str, right: Any, **changes: Any) -> Scenario:
    filters = [{"left": left, "operator": operator, "right": right}]
    return read_scenario({"scenario_id": 1, "title": "t", "filters": filters, **changes})


@pytest.mark.parametrize(("value", "operator", "right", "holds"), TABLE)
def test_an_operator_holds(value: Any, operator: str, right: Any, holds: bool) -> None:
    assert question(scenario("a", operator, right).filters[0])(value) is holds


@pytest.mark.parametrize(
    ("operator", "right"),
    [
        *((each, "") for each in COMPARISONS),
        ("!=", "a"),
        ("in", "a,b"),
        ("not in", "a,b"),
        ("contains", "a"),
        ("starts with", "a"),
        ("ends with", "a"),
        ("matches", ".*"),
        ("exists", ""),
    ],
)
def test_a_missing_field_makes_any_filter_false(operator: str, right: str) -> None:
    assert Rule(scenario("a", operator, right)).apply(Request(1, 0, raw={"b": "1"}), None)["success"] == 0


VALUES = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.integers(-1000, 1000),
    st.decimals(-100, 100, places=2).map(str),
    st.text("aAbB가1.-+e ", max_size=4),
)


@given(VALUES, st.sampled_from(COMPARISONS), VALUES)
def test_comparisons_are_as_the_oracle_has_them(value: Any, operator: str, right: Any) -> None:
    sides: list[Any] = [str(value), str(right)]
    if all(re.fullmatch(r"\s*[+-]?\d+(\.\d+)?(e[+-]?\d+)?\s*", each) for each in sides):
        sides = [Decimal(each.strip()) for each in sides]
    left, other = sides
    expected = {
        "==": left == other,
        "!=": left != other,
        ">": left > other,
        ">=": left >= other,
        "<": left < other,
        "<=": left <= other,
    }[operator]
    assert question(Filter("a", operator, right))(value) is expected


@given(VALUES, st.lists(VALUES, min_size=1, max_size=4))
def test_a_list_has_a_value_if_one_of_its_values_equals_it(value: Any, values: list[Any]) -> None:
    expected = any(question(Filter("a", "==", each))(value) for each in values)
    assert question(Filter("a", "in", tuple(values)))(value) is expected
    assert question(Filter("a", "not in", tuple(values)))(value) is not expected


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(.*a){20}"])
def test_a_pattern_that_explodes_elsewhere_takes_no_time_here(pattern: str) -> None:
    """Python's own engine takes longer than the universe has for the first on 8 kB."""
    assert question(scenario("a", "matches", pattern).filters[0])("a" * 8000 + "!") in (True, False)
