"""Web logs, window results and scenario results as rows of their typed tables.

Each function takes the records' values and returns what fits the table, and a reason for what does not, in the dead
letters' words (docs/records.md). Fields that a table does not know are ignored, but for scenario results: what their
scenario keeps is up to its author, so the rest of the object is the map `fields`.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from clickstream_archive.typed import Refusal, TypedRows, microseconds
from clickstream_core.errors import MalformedMetrics
from clickstream_core.events import cut_name
from clickstream_core.nesting import too_deep
from clickstream_core.window_metrics import decode_window_metrics

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1
_COUNTS = ("total_events", "unique_users", "unique_sessions", "avg_duration_ms", "revision")
_MAPS = ("event_types", "devices", "top_referrers", "top_pages")


class _Unfit(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def type_web_logs(values: Sequence[bytes | None]) -> TypedRows:
    """Return the web logs among the values. A timestamp without an offset is in UTC, as web servers mean it."""
    return _typed(values, _web_log, ("ip", "timestamp", "method", "url", "status_code", "user_agent"))


def type_metrics(values: Sequence[bytes | None]) -> TypedRows:
    """Return the window results among the values."""
    names = ("window_start", "window_end", *_COUNTS, *_MAPS, "countries", "approximate")
    return _typed(values, _metrics, names)


def type_scenario_results(values: Sequence[bytes | None]) -> TypedRows:
    """Return the scenario results among the values."""
    return _typed(values, _scenario_result, ("scenario_id", "success", "date", "timestamp", "version", "fields"))


def _typed(
    values: Sequence[bytes | None], decode: Callable[[bytes | None], dict[str, Any]], names: Sequence[str]
) -> TypedRows:
    found, refusals = [], []
    for place, value in enumerate(values):
        try:
            found.append(decode(value))
        except _Unfit as error:
            refusals.append(Refusal(place, error.reason))
    rows = TypedRows.kept(len(values), refusals)
    rows.columns = {name: [each[name] for each in found] for name in names}
    return rows


def _web_log(value: bytes | None) -> dict[str, Any]:
    fields = _object(value)
    return {
        "ip": _text(fields, "ip"),
        "timestamp": _time(fields, "timestamp", utc_without_offset=True),
        "method": _text(fields, "method"),
        "url": _text(fields, "url"),
        "status_code": _whole(fields, "status_code", _INT_MAX),
        "user_agent": _text(fields, "user_agent"),
    }


def _metrics(value: bytes | None) -> dict[str, Any]:
    try:
        found = decode_window_metrics(value)
    except MalformedMetrics as error:
        _object(value)
        raise _Unfit("wrong_type") from error
    row: dict[str, Any] = {name: getattr(found, name) for name in _COUNTS}
    row |= {name: list(getattr(found, name).items()) for name in _MAPS}
    try:
        row["window_start"] = microseconds(found.window_start)
        row["window_end"] = microseconds(found.window_end)
    except ValueError as error:
        raise _Unfit("bad_timestamp") from error
    row["approximate"] = found.approximate
    row["countries"] = list(found.countries.items()) if isinstance(found.countries, dict) else None
    return row


def _scenario_result(value: bytes | None) -> dict[str, Any]:
    fields = _object(value)
    scenario = fields.get("scenario_id")
    row = {
        "scenario_id": str(scenario) if type(scenario) is int else _text(fields, "scenario_id"),
        "success": _whole(fields, "success", 1),
        "date": _text(fields, "date"),
        "timestamp": _time(fields, "timestamp"),
        "version": _whole(fields, "version", _LONG_MAX),
    }
    rest = fields.keys() - row.keys()
    row["fields"] = [(cut_name(_whole_pairs(name)), _shown(fields[name])) for name in sorted(rest)]
    return row


def _object(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise _Unfit("not_json")
    try:
        if too_deep(value):
            raise _Unfit("not_json")
        parsed = json.loads(value.decode(), parse_constant=_refuse_constant, parse_int=_bounded)
    except (ValueError, RecursionError) as error:
        raise _Unfit("not_json") from error
    if not isinstance(parsed, dict):
        raise _Unfit("not_object")
    return parsed


def _refuse_constant(text: str) -> None:
    raise ValueError(text)


def _bounded(digits: str) -> int | float:
    return int(digits) if len(digits) < 40 else float("inf")


def _given(fields: dict[str, Any], name: str) -> Any:
    if name not in fields:
        raise _Unfit("missing_field")
    return fields[name]


def _text(fields: dict[str, Any], name: str) -> str:
    value = _given(fields, name)
    if not isinstance(value, str):
        raise _Unfit("wrong_type")
    return _whole_pairs(value)


def _whole(fields: dict[str, Any], name: str, most: int) -> int:
    value = _given(fields, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or not 0 <= value <= most:
        raise _Unfit("wrong_type")
    return int(value)


def _time(fields: dict[str, Any], name: str, *, utc_without_offset: bool = False) -> int:
    """Microseconds since the epoch."""
    text = _text(fields, name)
    for candidate in (text, f"{text}Z") if utc_without_offset else (text,):
        try:
            return microseconds(candidate)
        except ValueError:
            continue
    raise _Unfit("bad_timestamp")


def _shown(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else _whole_pairs(value)
    return _whole_pairs(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _whole_pairs(text: str) -> str:
    return _HALF_A_PAIR.sub("\ufffd", text)
