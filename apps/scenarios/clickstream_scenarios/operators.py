"""The operators of filters, each compiled with its right side into a question about a value.

A value is a number if it is one in JSON, or is written like one: an optional sign, digits, a fraction, an exponent.
Two numbers compare as numbers, so "20" equals "20.0" and 9 is smaller than "10"; anything else compares as text, by
Unicode code points, letters' case included. `contains`, `starts with`, `ends with` and `matches` are about text.
A field that is missing is no value: its filter is false, whatever the operator (`rules`).
"""

import math
import operator as python
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from clickstream_scenarios.patterns import compile_pattern
from clickstream_scenarios.requests import Value
from clickstream_scenarios.scenario import COMPARISONS, EXISTS, LISTS, Filter, Right, Scalar

Number = int | float | Decimal
Question = Callable[[Value], bool]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
_LONGEST_INTEGER = 400  # digits; Python refuses to read very long ones as integers
_COMPARE = dict(zip(COMPARISONS, (python.eq, python.ne, python.gt, python.ge, python.lt, python.le), strict=True))
_ABOUT_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, right: right in value,
    "starts with": str.startswith,
    "ends with": str.endswith,
}


def question(condition: Filter) -> Question:
    """Return whether a value fulfils the condition, as a function."""
    name, right = condition.operator, condition.right
    if name == EXISTS:
        return lambda value: True
    if name in LISTS:
        return _in_list(right, name == "in")
    assert not isinstance(right, tuple), "only lists have several values"
    if name in COMPARISONS:
        return _compared(_COMPARE[name], right)
    if name == "matches":
        search = compile_pattern(as_text(right))
        return lambda value: search(as_text(value))
    compare, text = _ABOUT_TEXT[name], as_text(right)
    return lambda value: compare(as_text(value), text)


def number(value: Value) -> Number | None:
    """Return the number that a value is, or is written like; None for any other."""
    if isinstance(value, str):
        return _number_in(value)
    return None if isinstance(value, bool) else value


def as_text(value: Value) -> str:
    """Return a value as text: true and false in lower case, whole numbers without a fraction."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    return str(value)


def _number_in(text: str) -> Number | None:
    text = text.strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    if text.lstrip("+-").isdigit() and len(text) <= _LONGEST_INTEGER:
        return int(text)
    binary = float(text)
    return binary if math.isfinite(binary) and len(text) <= _LONGEST_INTEGER else Decimal(text)


def _compared(compare: Callable[[Any, Any], bool], right: Scalar) -> Question:
    text, as_number = as_text(right), number(right)
    if as_number is None:
        return lambda value: compare(as_text(value), text)

    def holds(value: Value) -> bool:
        value_as_number = value if type(value) is int else number(value)
        if value_as_number is None:
            return compare(as_text(value), text)
        return compare(value_as_number, as_number)

    return holds


def _in_list(right: Right, inside: bool) -> Question:
    if isinstance(right, tuple):
        allowed: tuple[Scalar, ...] = right
    else:
        allowed = tuple(each.strip() for each in as_text(right).split(","))
    numbers = {each for each in map(number, allowed) if each is not None}
    texts = {as_text(each) for each in allowed}

    def holds(value: Value) -> bool:
        as_number = number(value)
        return (as_text(value) in texts or (as_number is not None and as_number in numbers)) is inside

    return holds
