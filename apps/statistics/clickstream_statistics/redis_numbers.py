"""What is in Redis of the totals. Pure.

For each scenario `scenario:{id}:success_ratio`, and the hash `scenario:{id}:minutes` with a field for each minute. All
values are absolute: writing them again, or later, changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from clickstream_statistics.counts import Scenario, Totals

_json = msgspec.json.encode


def ratio_key(scenario: int) -> str:
    return f"scenario:{scenario}:success_ratio"


def minutes_key(scenario: int) -> str:
    return f"scenario:{scenario}:minutes"


def ratio_value(scenario: Scenario, updated_at: str) -> bytes:
    return _json(
        {
            "success_ratio": scenario.success / scenario.total,
            "total_count": scenario.total,
            "success_count": scenario.success,
            "updated_at": updated_at,
        }
    )


def minute_field(minute: int) -> str:
    """A minute since the epoch as `2026-11-27T10:00Z`."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def minute_value(total: int, success: int) -> bytes:
    return _json({"total_count": total, "success_count": success})


@dataclass(frozen=True)
class Numbers:
    """What is to be written: values by key; fields of hashes to set and to delete; hashes to delete first."""

    ratios: Mapping[str, bytes]
    fields: Mapping[str, Mapping[str, bytes]]
    gone: Mapping[str, list[str]]
    replaced: Iterable[str]


def numbers(totals: Totals, changed: Iterable[tuple[int, int]], updated_at: str) -> Numbers:
    """Return all ratios, and the minutes that have changed."""
    fields: dict[str, dict[str, bytes]] = {}
    gone: dict[str, list[str]] = {}
    for scenario, minute in changed:
        counted = totals.minutes[scenario].get(minute)
        if counted is None:
            gone.setdefault(minutes_key(scenario), []).append(minute_field(minute))
        else:
            fields.setdefault(minutes_key(scenario), {})[minute_field(minute)] = minute_value(*counted)
    return Numbers(_ratios(totals, updated_at), fields, gone, ())


def all_numbers(totals: Totals, updated_at: str) -> Numbers:
    """Return all ratios and all minutes; the hashes are replaced."""
    fields = {
        minutes_key(scenario): {minute_field(minute): minute_value(*counted) for minute, counted in minutes.items()}
        for scenario, minutes in totals.minutes.items()
    }
    return Numbers(_ratios(totals, updated_at), {key: held for key, held in fields.items() if held}, {}, tuple(fields))


def _ratios(totals: Totals, updated_at: str) -> dict[str, bytes]:
    return {ratio_key(each): ratio_value(scenario, updated_at) for each, scenario in totals.scenarios.items()}
