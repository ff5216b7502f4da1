"""A scenario: which requests succeed, and which of their fields are kept.

Its JSON is that of reference 004, with `timezone` beside it:

    {"scenario_id": 5, "title": "…", "manager": "admin_user", "log_format": {"memberId": 1, "h": 1, "res": 0},
     "filters": [{"left": "age", "operator": ">", "right": "20"}], "logical_operator": "AND", "timezone": "Asia/Seoul"}

`read_scenario` checks it and names everything that is wrong at once, for a page that marks each field. What the store
and the API add (`version`, `active`, `changed_at`, `changed_by`, `sentence`) may stand in the JSON and is not read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from clickstream_scenarios.errors import InvalidScenario, Problem
from clickstream_scenarios.patterns import InvalidPattern, compile_pattern

Scalar = str | int | float
Right = Scalar | tuple[Scalar, ...]

COMPARISONS = ("==", "!=", ">", ">=", "<", "<=")
LISTS = ("in", "not in")
TEXTS = ("contains", "starts with", "ends with", "matches")
EXISTS = "exists"
OPERATORS = (*COMPARISONS, *LISTS, *TEXTS, EXISTS)
LOGICAL_OPERATORS = ("AND", "OR")

NEVER_NAMED = frozenset({"remote_addr", "remote"})
"""The visitor's address can't be asked for and can't be kept."""

OWN_FIELDS = ("scenario_id", "title", "manager", "log_format", "filters", "logical_operator", "timezone")
ADDED_FIELDS = ("version", "active", "changed_at", "changed_by", "sentence")

MAX_ID = 2**63 - 1
MAX_NAME_LENGTH = 256
MAX_TITLE_LENGTH = 200
MAX_FILTERS = 100
MAX_FIELDS = 500
MAX_LIST_LENGTH = 1000
MAX_TEXT_LENGTH = 4000

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Filter:
    """A condition: a field's name, an operator, and what the field is compared with; a list only for `in`."""

    left: str
    operator: str
    right: Right = ""


@dataclass(frozen=True)
class Scenario:
    """A scenario in one of its versions; `log_format` maps a field to whether it is kept, others are left out."""

    scenario_id: int
    title: str
    manager: str = ""
    log_format: Mapping[str, bool] = field(default_factory=dict)
    filters: tuple[Filter, ...] = ()
    logical_operator: str = "AND"
    timezone: str = "UTC"
    version: int = 1
    active: bool = True

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the fields that a result keeps, in the order of the format."""
        return tuple(name for name, keep in self.log_format.items() if keep)


def read_scenario(value: object, *, version: int = 1, active: bool = True) -> Scenario:
    """Return the scenario in a JSON value. Raises InvalidScenario with all problems."""
    if not isinstance(value, dict):
        raise InvalidScenario([Problem("", f"expected an object with {', '.join(OWN_FIELDS)}")])
    problems = list(_problems(value))
    if problems:
        raise InvalidScenario(problems)
    return Scenario(
        scenario_id=value["scenario_id"],
        title=value["title"],
        manager=value.get("manager", ""),
        log_format={name: keep == 1 for name, keep in value.get("log_format", {}).items()},
        filters=tuple(_filter(each) for each in value.get("filters", ())),
        logical_operator=value.get("logical_operator", "AND"),
        timezone=value.get("timezone", "UTC"),
        version=version,
        active=active,
    )


def scenario_json(scenario: Scenario) -> dict[str, Any]:
    """Return the JSON object of a scenario, without what the store adds; `read_scenario` takes it back."""
    return {
        "scenario_id": scenario.scenario_id,
        "title": scenario.title,
        "manager": scenario.manager,
        "log_format": {name: int(keep) for name, keep in scenario.log_format.items()},
        "filters": [
            {
                "left": each.left,
                "operator": each.operator,
                "right": list(each.right) if isinstance(each.right, tuple) else each.right,
            }
            for each in scenario.filters
        ],
        "logical_operator": scenario.logical_operator,
        "timezone": scenario.timezone,
    }


def _filter(value: Mapping[str, Any]) -> Filter:
    if value["operator"] == EXISTS:
        return Filter(value["left"], EXISTS)
    right = value["right"]
    return Filter(value["left"], value["operator"], tuple(right) if isinstance(right, list) else right)


# -- checks -----------------------------------------------------------------------------------------------------------


def _problems(value: Mapping[str, Any]) -> Iterator[Problem]:
    for name in value:
        if name not in OWN_FIELDS and name not in ADDED_FIELDS:
            yield Problem(str(name)[:MAX_NAME_LENGTH], f"is not known; a scenario has {', '.join(OWN_FIELDS)}")
    number = value.get("scenario_id")
    if not _is_whole(number, 1, MAX_ID):
        yield Problem("scenario_id", f"must be a whole number from 1 to {MAX_ID}")
    yield from _text_problems("title", value.get("title"), MAX_TITLE_LENGTH, required=True)
    yield from _text_problems("manager", value.get("manager", ""), MAX_TITLE_LENGTH)
    yield from _format_problems(value.get("log_format", {}))
    filters = value.get("filters", [])
    if not isinstance(filters, list):
        yield Problem("filters", "must be a list of {left, operator, right}")
    elif len(filters) > MAX_FILTERS:
        yield Problem("filters", f"has {len(filters)} filters; at most {MAX_FILTERS} are allowed")
    else:
        for position, each in enumerate(filters):
            yield from _filter_problems(f"filters[{position}]", each)
    if value.get("logical_operator", "AND") not in LOGICAL_OPERATORS:
        yield Problem("logical_operator", "must be AND or OR")
    timezone = value.get("timezone", "UTC")
    if not isinstance(timezone, str) or not is_timezone(timezone):
        yield Problem("timezone", "must be the name of a time zone, such as UTC, Asia/Seoul or Europe/Berlin")


def is_timezone(name: str) -> bool:
    """Whether the name is one of the IANA time zone database."""
    try:
        return len(name) <= 64 and ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def _format_problems(log_format: object) -> Iterator[Problem]:
    if not isinstance(log_format, dict):
        yield Problem("log_format", "must be an object of {field: 0 or 1}")
        return
    if len(log_format) > MAX_FIELDS:
        yield Problem("log_format", f"has {len(log_format)} fields; at most {MAX_FIELDS} are allowed")
    for name, keep in log_format.items():
        place = f"log_format.{str(name)[:MAX_NAME_LENGTH]}"
        yield from _name_problems(place, name)
        if not _is_whole(keep, 0, 1):
            yield Problem(place, "must be 0 (left out) or 1 (kept)")


def _filter_problems(place: str, each: object) -> Iterator[Problem]:
    if not isinstance(each, dict):
        yield Problem(place, "must be an object with left, operator and right")
        return
    for name in each.keys() - {"left", "operator", "right"}:
        yield Problem(f"{place}.{str(name)[:MAX_NAME_LENGTH]}", "is not known; a filter has left, operator and right")
    yield from _name_problems(f"{place}.left", each.get("left"))
    operator = each.get("operator")
    if not isinstance(operator, str) or operator not in OPERATORS:
        yield Problem(f"{place}.operator", f"must be one of {', '.join(OPERATORS)}")
        return
    message = _wrong_right(operator, each.get("right"))
    if message:
        yield Problem(f"{place}.right", message)


def _wrong_right(operator: str, right: object) -> str:
    """Return what is wrong with the right side of the operator; "" when nothing is."""
    if operator == EXISTS:
        return "" if right in (None, "") else "must be empty: exists asks only whether the field is there"
    if operator in LISTS:
        if isinstance(right, list):
            if not 1 <= len(right) <= MAX_LIST_LENGTH:
                return f"must have 1 to {MAX_LIST_LENGTH} values"
            return next(filter(None, map(_wrong_scalar, right)), "")
        if not isinstance(right, str) or not right.strip():
            return 'must be a list, or text with commas: ["MALE", "FEMALE"] or "MALE, FEMALE"'
    wrong = _wrong_scalar(right)
    if wrong or operator not in TEXTS:
        return wrong
    if right == "":
        return f"must not be empty: every text {operator} nothing"
    if operator == "matches":
        try:
            compile_pattern(str(right))
        except InvalidPattern as error:
            return str(error)
    return ""


def _wrong_scalar(value: object) -> str:
    if isinstance(value, str):
        return f"must have at most {MAX_TEXT_LENGTH} characters" if len(value) > MAX_TEXT_LENGTH else _halves(value)
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "must be text or a number"


def _name_problems(place: str, name: object) -> Iterator[Problem]:
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME_LENGTH:
        yield Problem(place, f"must be the name of a field, of 1 to {MAX_NAME_LENGTH} characters")
    elif name in NEVER_NAMED:
        yield Problem(place, "a visitor's address is never used")
    elif _halves(name):
        yield Problem(place, _halves(name))


def _text_problems(place: str, value: object, longest: int, *, required: bool = False) -> Iterator[Problem]:
    if not isinstance(value, str) or len(value) > longest or (required and not value.strip()):
        yield Problem(place, f"must be text of {1 if required else 0} to {longest} characters")
    elif _CONTROL.search(value):
        yield Problem(place, "must not have line breaks or other control characters")
    elif _halves(value):
        yield Problem(place, _halves(value))


def _halves(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "has half a surrogate pair"
    return ""


def _is_whole(value: object, smallest: int, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest
