"""Results of another window size: a change, a new count, or a forgery."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pyiceberg.catalog import Catalog

from kit.archive import METRICS, Recorded, Run, recorded_pipeline, results_of
from kit.topics import Message
from kit.verified import group, verified

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return recorded_pipeline()


def of_size(recorded: Recorded, seconds: int, receipts: bool, **changes: object) -> Message:
    """A result of another size, right unless it is changed, of a window in the middle."""
    found = results_of(recorded, seconds, receipts)
    chosen = found[len(found) // 2]
    value = json.dumps({**json.loads(chosen.value or b""), **changes}).encode()
    return replace(chosen, offset=chosen.offset + 1_000, value=value)


def test_each_window_is_counted_by_the_size_of_its_time(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    shorter = sorted(recorded.read(METRICS, ""), key=lambda each: each.timestamp)
    longer = [replace(each, offset=each.offset + 1_000) for each in results_of(recorded, 20)]
    changed = [each for each in shorter if b"10:01:20" <= (each.key or b"")[11:19] < b"10:03:00"]
    instead = [each for each in longer if b"10:01:20" <= (each.key or b"")[11:19] < b"10:03:00"]
    status, result = verified(run, catalog, recorded.without(*changed).with_more(*instead))
    assert (status, group(result)["not_judged"]) == (0, {})
    assert group(result)["equal"] == 31 - len(changed) + len(instead)


def test_events_counted_again_by_another_size_are_judged_by_both(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    longer = [
        replace(each, offset=each.offset + 1_000, timestamp=each.timestamp + HOUR_MS)
        for each in results_of(recorded, 20)
    ]
    status, result = verified(run, catalog, recorded.with_more(*longer))
    assert (status, group(result)["equal"], group(result)["not_judged"]) == (0, 31 + len(longer), {})


@pytest.mark.parametrize("seconds", [1, 5, 20])
@pytest.mark.parametrize(("receipts", "changes"), [(True, {}), (False, {"total_events": 3})])
@pytest.mark.parametrize("later_ms", [0, HOUR_MS])
def test_a_window_of_another_size_among_the_regular_ones_is_different(
    run: Run,
    catalog: Catalog,
    recorded: Recorded,
    seconds: int,
    receipts: bool,
    changes: Mapping[str, object],
    later_ms: int,
) -> None:
    forged = of_size(recorded, seconds, receipts, **changes)
    status, result = verified(run, catalog, recorded.with_more(replace(forged, timestamp=forged.timestamp + later_ms)))
    assert (status, group(result)["equal"], group(result)["not_judged"]) == (1, 31, {})
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == (forged.key or b"").decode()
    assert difference["differences"] == ["its events are in the results of windows of 10 seconds too"]


@pytest.mark.parametrize("receipts", [True, False])
def test_a_window_of_another_size_where_there_are_no_events_is_different(
    run: Run, catalog: Catalog, receipts: bool
) -> None:
    recorded = recorded_pipeline(receipts=receipts)
    quiet = of_size(recorded, 1, receipts, window_start="2026-11-26T09:30:00Z", window_end="2026-11-26T09:30:01Z")
    quiet = replace(quiet, key=b"2026-11-26T09:30:00Z")
    status, result = verified(run, catalog, recorded.with_more(quiet))
    assert (status, group(result)["different"], group(result)["equal"]) == (1, 1, 31)
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == "2026-11-26T09:30:00Z"


def test_windows_counted_again_by_another_size_may_not_leave_out_the_last_ones(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    longer = [
        replace(each, offset=each.offset + 1_000, timestamp=each.timestamp + HOUR_MS)
        for each in results_of(recorded, 20)
    ]
    status, result = verified(run, catalog, recorded.with_more(*longer[:8]))
    assert (status, group(result)["equal"], group(result)["different"]) == (1, len(recorded.read(METRICS, "")), 8)
