import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from clickstream_consumer.history import KEPT_MS, Kept, WindowHistory, parse_position, write_position
from clickstream_consumer.results import WindowResult
from clickstream_core.timestamps import format_seconds
from clickstream_core.window_metrics import WindowMetrics

MakeResult = Callable[..., WindowResult]
MINUTE = 60_000


@pytest.fixture
def make(reference: WindowMetrics) -> MakeResult:
    """Makes the result of the 5-minute window that begins at a minute since the epoch."""

    def make(minute: int, partition: int = 0, offset: int = 0, **fields: Any) -> WindowResult:
        bounds = {
            "window_start": format_seconds(minute * MINUTE),
            "window_end": format_seconds((minute + 5) * MINUTE),
        }
        return WindowResult.of(msgspec.structs.replace(reference, **(bounds | fields)), partition, offset, 1)

    return make


def starts(windows: list[Kept] | None) -> list[int]:
    assert windows is not None
    return [window.start // MINUTE for window in windows]


def test_windows_are_kept_by_time_in_any_order_of_arrival(make: MakeResult) -> None:
    history = WindowHistory()
    for minute in (10, 0, 15, 5):
        assert history.add(make(minute))
    assert starts(history.select().windows) == [0, 5, 10, 15]
    assert starts(history.select(limit=2).windows) == [10, 15]
    assert starts(history.select(start=5 * MINUTE, before=15 * MINUTE).windows) == [5, 10]
    assert starts(history.select(start=6 * MINUTE, limit=1).windows) == [15]


def test_a_revision_replaces_its_window_and_nothing_older_does(make: MakeResult) -> None:
    changes: list[tuple[int, str]] = []
    history = WindowHistory(lambda kept, position: changes.append((kept.revision, position)))
    assert history.add(make(0, offset=0))
    assert history.add(make(0, offset=1, revision=2, total_events=3001))
    assert not history.add(make(0, offset=2, revision=1))
    assert not history.add(make(0, offset=3, revision=2))
    assert [json.loads(kept.json)["total_events"] for kept in history.select().windows] == [3001]
    assert changes == [(0, "0:1"), (2, "0:2")]
    assert history.position() == "0:4"


def test_the_oldest_go_when_there_are_too_many(make: MakeResult) -> None:
    history = WindowHistory(max_windows=3)
    for minute in range(0, 50, 5):
        history.add(make(minute))
    assert starts(history.select().windows) == [35, 40, 45]
    assert len(history) == 3


def test_the_oldest_go_when_they_are_too_large(make: MakeResult) -> None:
    history = WindowHistory(max_bytes=20_000)
    for minute in range(0, 50, 5):
        history.add(make(minute, top_pages={"/" + "x" * 5000: 1}))
    assert starts(history.select().windows) == [35, 40, 45]
    # A window that alone is too large is shown all the same.
    history.add(make(50, top_pages={"/" + "x" * 50_000: 1}))
    assert starts(history.select().windows) == [50]


def test_the_oldest_lose_their_receipts_when_these_are_too_large(make: MakeResult) -> None:
    history = WindowHistory(max_receipt_bytes=25)
    for minute in (0, 5, 10, 15):
        history.add(dataclasses.replace(make(minute), receipt=b"{receipt}" if minute != 5 else None))
    assert [kept.receipt for kept in history.select().windows] == [None, None, b"{receipt}", b"{receipt}"]
    history.add(dataclasses.replace(make(10, revision=1), receipt=b"{another receipt}"))
    assert [kept.receipt for kept in history.select().windows] == [None, None, b"{another receipt}", None]
    history.add(make(10, revision=2))
    history.add(dataclasses.replace(make(20), receipt=b"{receipt}"))
    history.add(dataclasses.replace(make(25), receipt=b"{receipt}"))
    assert [kept.receipt is None for kept in history.select().windows] == [True, True, True, True, False, False]


def test_windows_of_more_than_a_week_ago_go(make: MakeResult) -> None:
    history = WindowHistory()
    week = KEPT_MS // MINUTE
    history.add(make(0))
    history.add(make(week - 5))
    assert starts(history.select().windows) == [0, week - 5]
    history.add(make(week))
    assert starts(history.select().windows) == [week - 5, week]
    assert not history.add(make(0)), "what is over is not taken again"


def test_results_after_a_position_are_found_across_partitions(make: MakeResult) -> None:
    history = WindowHistory()
    history.add(make(0, partition=0, offset=7))
    history.add(make(5, partition=1, offset=3))
    position = parse_position(history.position())
    assert history.since(position, 10_000) == []
    history.add(make(0, partition=0, offset=8, revision=1))
    history.add(make(10, partition=2, offset=0))
    assert starts(history.since(position, 10_000)) == [0, 10]
    assert history.since(position, 500) is None, "more than is asked for"
    assert history.since({0: 100}, 10_000) is None, "a position of another topic"


def test_positions_are_read_as_they_are_written() -> None:
    for position in ({}, {0: 0}, {2: 17, 0: 43, 1: 18}):
        assert parse_position(write_position(position)) == position
    for wrong in ("0", "0:", "a:b", "0:1,", "0:1;1:2", "-1:2", "0:" + "9" * 19, " "):
        with pytest.raises(ValueError, match="expected a position"):
            parse_position(wrong)


def test_a_week_of_half_minutes_fits_into_40_megabytes(make: MakeResult) -> None:
    history = WindowHistory()
    tracemalloc.start()
    try:
        for number in range(20_500):
            history.add(_moved(make(0, number % 3, number // 3), number * 30_000))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(history) == 20_160
    assert size < 40 << 20, f"{size:,} bytes"
    print(f"{size:,} bytes for {len(history):,} windows")


def _moved(result: WindowResult, start: int) -> WindowResult:
    bounds = {"window_start": format_seconds(start), "window_end": format_seconds(start + 30_000)}
    return WindowResult.of(msgspec.structs.replace(result.metrics, **bounds), result.partition, result.offset, 1)
