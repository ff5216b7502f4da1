import json

from clickstream_statistics.counts import Group, Totals, batch_record
from clickstream_statistics.redis_numbers import all_numbers, minute_field, numbers

AT = "2026-11-27T17:23:04.945Z"
TEN = 29929560
"""2026-11-27T10:00Z, in minutes."""


def totals() -> Totals:
    found = Totals()
    found.add(batch_record(0, [Group(0, 0, 3, 4, 5, 2, TEN, 1), Group(0, 4, 4, 1, 6, 1, TEN + 1, 0)]))
    return found


def test_a_minute_is_written_in_utc() -> None:
    assert minute_field(TEN) == "2026-11-27T10:00Z"


def test_at_first_everything_is_written() -> None:
    found = all_numbers(totals(), AT)
    assert json.loads(found.ratios["scenario:5:success_ratio"]) == {
        "success_ratio": 0.25,
        "total_count": 4,
        "success_count": 1,
        "updated_at": AT,
    }
    assert json.loads(found.fields["scenario:5:minutes"]["2026-11-27T10:00Z"]) == {"total_count": 4, "success_count": 1}
    assert set(found.replaced) == {"scenario:5:minutes", "scenario:6:minutes"}


def test_then_all_ratios_and_the_minutes_that_changed() -> None:
    counted = totals()
    counted.changed.clear()
    counted.add(batch_record(1, [Group(0, 5, 5, 1, 5, 2, TEN + 1, 1)]))
    counted.forget_before(TEN + 1)
    found = numbers(counted, counted.changed, AT)
    assert set(found.ratios) == {"scenario:5:success_ratio", "scenario:6:success_ratio"}
    assert json.loads(found.ratios["scenario:5:success_ratio"])["total_count"] == 5
    assert {key: list(held) for key, held in found.fields.items()} == {"scenario:5:minutes": ["2026-11-27T10:01Z"]}
    assert found.gone == {"scenario:5:minutes": ["2026-11-27T10:00Z"]}
    assert not found.replaced
