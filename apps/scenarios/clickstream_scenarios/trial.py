"""What a scenario would have made of the last requests: how many succeed, which condition holds how often, examples.

Of a member an example shows what the scenario keeps, and nothing else.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clickstream_scenarios.member import Member
from clickstream_scenarios.requests import Request
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.scenario import Scenario

MOST_REQUESTS = 1000
_EXAMPLES = 5
_SUGGESTED_FIELDS = 200
_SUGGESTED_VALUES = 10
_LONGEST_VALUE = 200


def chosen(scenario_id: int, requests: Sequence[Request]) -> tuple[list[Request], bool]:
    """Return the last requests of a scenario and True; those of all when it has none, and False."""
    own = [each for each in requests if each.scenario_id == scenario_id]
    return (own or list(requests))[-MOST_REQUESTS:], bool(own)


def members_of(scenario: Scenario, requests: Sequence[Request]) -> list[str]:
    """Return the members that the trial needs."""
    rule = Rule(scenario)
    return sorted({rule.member_id(each) for each in requests} - {""})


def try_out(scenario: Scenario, requests: Sequence[Request], members: Mapping[str, Member | None]) -> dict[str, Any]:
    """Return the outcome as the page gets it."""
    rule = Rule(scenario)
    held: Counter[int] = Counter()
    examples: dict[int, list[dict[str, Any]]] = {1: [], 0: []}
    succeeded = 0
    for request in reversed(requests):
        member = members.get(rule.member_id(request))
        result, holds = rule.apply(request, member), rule.explain(request, member)
        success = int(result["success"])
        succeeded += success
        held.update(position for position, each in enumerate(holds) if each)
        if len(examples[success]) < _EXAMPLES:
            examples[success].append({"result": result, "holds": holds})
    return {
        "total_count": len(requests),
        "success_count": succeeded,
        "held": [held[position] for position in range(len(scenario.filters))],
        "examples": examples[1] + examples[0],
    }


def suggestions(requests: Sequence[Request]) -> dict[str, list[str]]:
    """Return the parameters that the requests have, the most frequent first, with their most frequent values."""
    values: dict[str, Counter[str]] = {}
    for request in requests:
        for name, value in request.parameters.items():
            values.setdefault(name, Counter())[str(value)[:_LONGEST_VALUE]] += 1
    frequent = sorted(values, key=lambda name: (-values[name].total(), name))[:_SUGGESTED_FIELDS]
    return {name: [value for value, _ in values[name].most_common(_SUGGESTED_VALUES)] for name in frequent}
