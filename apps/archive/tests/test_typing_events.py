"""The archive's typed events are those that the processor counts, with the same fields."""

import random
from datetime import UTC, datetime

import pytest

from clickstream_archive.typing_events import type_events
from clickstream_core.errors import InvalidEvent
from clickstream_core.events import CountedEvent, decode_event
from clickstream_core.timestamps import parse_timestamp
from kit.events import RawEvent, event_value, invalid_values, valid_values

AT = datetime(2026, 11, 27, 9, 15, 3, 250_000, tzinfo=UTC)
TABLE = (*valid_values(AT), *(each for each in invalid_values(AT) if each.reason != "future"))
NAMES = tuple(name for name in CountedEvent.__struct_fields__ if name != "timestamp")


def outcome(value: bytes | None) -> str | tuple[object, ...]:
    """What the processor's decoder makes of a value: a reason, or the counted fields and the time."""
    try:
        event = decode_event(value)
    except InvalidEvent as error:
        return error.reason
    try:
        time = parse_timestamp(event.timestamp)
    except ValueError:
        return "bad_timestamp"
    return (*(getattr(event, name) for name in NAMES), time * 1000)


def typed_outcomes(values: list[bytes | None]) -> list[str | tuple[object, ...]]:
    rows = type_events(values)
    found: dict[int, str | tuple[object, ...]] = {each.place: each.reason for each in rows.refusals}
    columns = [*(rows.columns[name] for name in NAMES), rows.columns["timestamp"]]
    found |= dict(zip(rows.places, zip(*columns, strict=True), strict=True))
    return [found[place] for place in range(len(values))]


@pytest.mark.parametrize("raw", TABLE, ids=lambda raw: raw.name)
def test_each_value_is_typed_as_the_processor_reads_it(raw: RawEvent) -> None:
    assert typed_outcomes([raw.value]) == [outcome(raw.value)]
    assert (type_events([raw.value]).refusals[0].reason if raw.reason else None) == raw.reason


def test_values_among_others_are_typed_as_alone() -> None:
    plain = [event_value(AT, user_id=f"user_{number}") for number in range(300)]
    values: list[bytes | None] = [*plain, *(raw.value for raw in TABLE for _ in range(2))]
    random.Random(1).shuffle(values)
    assert typed_outcomes(values) == [outcome(value) for value in values]


def test_fields_that_are_not_counted_are_taken_where_they_are_strings() -> None:
    long = "ä" * 300
    rows = type_events(
        [
            event_value(AT),
            event_value(AT, event_id=7, page_category=None, country=["US"]),
            event_value(AT, country=long),
        ]
    )
    assert rows.columns["event_id"] == ["550e8400-e29b-41d4-a716-446655440000", None, rows.columns["event_id"][0]]
    assert rows.columns["page_category"] == ["electronics", None, "electronics"]
    assert rows.columns["country"][:2] == ["US", None]
    assert rows.columns["country"][2].startswith("ä" * 100 + "...")


def test_nothing_is_typed_from_nothing() -> None:
    rows = type_events([])
    assert (list(rows.places), list(rows.refusals), rows.columns["user_id"]) == ([], [], [])
