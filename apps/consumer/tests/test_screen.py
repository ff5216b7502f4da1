from collections.abc import Callable

import pytest

from clickstream_consumer.dashboard import block, position
from clickstream_consumer.labels import LABELS
from clickstream_consumer.results import WindowResult
from clickstream_consumer.screen import Windows, dashboard_lines, status_line
from clickstream_consumer.status import Condition, Status

MakeResult = Callable[..., WindowResult]
READY = Status(Condition.READY)
HEIGHT_OF_BLOCK = 34


def test_a_revision_replaces_its_window_on_the_screen(make_result: MakeResult) -> None:
    windows = Windows()
    first, revised, later = make_result(30), make_result(30, revision=1), make_result(35)
    for result in (first, later, revised):
        windows.add(result)
    assert windows.newest_first() == [later, revised]


def test_a_result_read_again_does_not_undo_a_revision(make_result: MakeResult) -> None:
    windows = Windows()
    revised = make_result(30, revision=2)
    for result in (revised, make_result(30), make_result(30, revision=1)):
        windows.add(result)
    assert windows.newest_first() == [revised]


def test_only_the_newest_windows_are_kept(make_result: MakeResult) -> None:
    windows = Windows(kept=3)
    for minute in (20, 5, 35, 10, 30):
        windows.add(make_result(minute))
    assert [result.metrics.window_start[14:16] for result in windows.newest_first()] == ["35", "30", "20"]


def test_a_terminal_as_high_as_the_block_shows_the_block_alone(make_result: MakeResult) -> None:
    newest = make_result()
    lines = dashboard_lines([newest, make_result(25)], LABELS["en"], HEIGHT_OF_BLOCK)
    assert lines == [*block(newest.metrics, LABELS["en"]).split("\n"), position(newest)]


def test_a_lower_terminal_cannot_show_the_block(make_result: MakeResult) -> None:
    assert dashboard_lines([make_result()], LABELS["en"], HEIGHT_OF_BLOCK - 1) is None


def test_a_higher_terminal_shows_as_many_earlier_windows_as_it_has_lines(make_result: MakeResult) -> None:
    results = [make_result(minute) for minute in (30, 25, 20, 15)]
    results[1] = make_result(25, revision=1)
    lines = dashboard_lines(results, LABELS["en"], HEIGHT_OF_BLOCK + 4)
    assert lines is not None
    assert lines[HEIGHT_OF_BLOCK:] == [
        "",
        "🕘 EARLIER WINDOWS:",
        "   2024-10-26T10:25:00Z → 2024-10-26T10:30:00Z     3,000 events      100 users (revision 1)",
        "   2024-10-26T10:20:00Z → 2024-10-26T10:25:00Z     3,000 events      100 users",
    ]


@pytest.mark.parametrize("height", range(1, 60))
def test_no_height_is_exceeded(make_result: MakeResult, height: int) -> None:
    lines = dashboard_lines([make_result(minute) for minute in (50, 45, 40, 35, 30)], LABELS["ko"], height)
    assert lines is None or len(lines) <= height


def test_the_last_line_has_the_time_since_the_last_result() -> None:
    assert status_line(READY, LABELS["en"], 12.7, waiting=True) == "⏱️ Waiting for metrics (12s)"
    assert status_line(READY, LABELS["en"], 125, waiting=False) == "⏱️ Last result 2m 05s ago"
    assert status_line(READY, LABELS["ko"], 5, waiting=True) == "⏱️ 메트릭을 기다리는 중 (5s)"


def test_the_last_line_has_the_reason_why_no_results_arrive() -> None:
    away = Status(Condition.AWAY, "Kafka says \x1b[31m")
    assert status_line(away, LABELS["en"], 3, waiting=True) == r"⚠️ Kafka says \x1b[31m"
