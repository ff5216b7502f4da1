"""A scenario, compiled: a request and its member become a result.

Where a field's value comes from, the first that there is: what the request is (`scenario_id`, `date`, `method`,
`path`); `age` and `gender`, of the member alone, so that no page can claim them; `h`, the parameter, else the hour; the
member's attributes; the request's parameters.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec

from clickstream_scenarios.member import MAX_ID_LENGTH, Member
from clickstream_scenarios.operators import number, question
from clickstream_scenarios.requests import MEMBER_ID, Request, Value
from clickstream_scenarios.scenario import Filter, Scenario
from clickstream_scenarios.times import Moment, moment, utc

Result = dict[str, Value]
encode_result = msgspec.json.Encoder().encode
"""Return the UTF-8 JSON object of a result."""

_Field = Callable[[Request, Member | None, Moment], Value | None]


class Rule:
    """A version of a scenario, ready to be applied; `needs_member` is whether it names anything of a member."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.needs_member = any(
            name not in _OF_THE_REQUEST for name in (*scenario.kept, *(each.left for each in scenario.filters))
        )
        self._timezone = ZoneInfo(scenario.timezone)
        self._kept = [(name, _field(name)) for name in scenario.kept]
        self._conditions = [_condition(each) for each in scenario.filters]
        self._all = scenario.logical_operator == "AND"

    def member_id(self, request: Request) -> str:
        """Return the member to look up for a request; "" when there is none, or the rule names nothing of it."""
        if not self.needs_member:
            return ""
        member_id = request.member_id
        return member_id if len(member_id) <= MAX_ID_LENGTH else ""

    def apply(self, request: Request, member: Member | None) -> Result:
        """Return the result; `member` is None for a request without one, and when the member is not known."""
        now = moment(request.time, self._timezone)
        held = (condition(request, member, now) for condition in self._conditions)
        success = not self._conditions or (all(held) if self._all else any(held))
        result: Result = {}
        for name, field in self._kept:
            value = field(request, member, now)
            if value is not None:
                result[name] = value
        result["success"] = int(success)
        result["scenario_id"] = self.scenario.scenario_id
        result["date"] = now.text
        result["timestamp"] = utc(request.time)
        result["version"] = self.scenario.version
        if member is None and self.needs_member and request.member_id:
            result["member_known"] = False
        return result

    def explain(self, request: Request, member: Member | None) -> list[bool]:
        """Return for each filter whether it holds, in their order: for a trial."""
        now = moment(request.time, self._timezone)
        return [condition(request, member, now) for condition in self._conditions]


def _condition(condition: Filter) -> Callable[[Request, Member | None, Moment], bool]:
    field, holds = _field(condition.left), question(condition)

    def fulfilled(request: Request, member: Member | None, now: Moment) -> bool:
        value = field(request, member, now)
        return value is not None and holds(value)

    return fulfilled


def _hour(request: Request, member: Member | None, now: Moment) -> Value:
    given = request.parameter("h")
    if given is None:
        return now.hour
    whole = number(given)
    return whole if isinstance(whole, int) else given


_OF_THE_REQUEST: dict[str, _Field] = {
    "scenario_id": lambda request, member, now: request.scenario_id,
    "date": lambda request, member, now: now.text,
    "method": lambda request, member, now: request.method,
    "path": lambda request, member, now: request.path,
    "h": _hour,
    MEMBER_ID: lambda request, member, now: request.parameter(MEMBER_ID),
}
_OF_THE_MEMBER: dict[str, _Field] = {
    "age": lambda request, member, now: None if member is None else member.age_on(now.day),
    "gender": lambda request, member, now: None if member is None else member.gender,
}


def _field(name: str) -> _Field:
    known = _OF_THE_REQUEST.get(name) or _OF_THE_MEMBER.get(name)
    if known is not None:
        return known

    def value(request: Request, member: Member | None, now: Moment) -> Value | None:
        attribute = None if member is None else member.attributes.get(name)
        return request.parameter(name) if attribute is None else attribute

    return value
