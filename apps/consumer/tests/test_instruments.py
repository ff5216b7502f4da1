import math
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from clickstream_consumer.instruments import Instruments
from clickstream_consumer.results import WindowResult

MakeResult = Callable[..., WindowResult]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def instruments(registry: CollectorRegistry) -> Instruments:
    return Instruments(registry)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    found = registry.get_sample_value(f"clickstream_consumer_{name}", labels)
    assert found is not None, name
    return found


def test_the_last_closed_windows_numbers_are_shown(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result())
    assert value(registry, "window_total_events") == 3000
    assert value(registry, "window_unique_users") == 100
    assert value(registry, "window_unique_sessions") == 684
    assert value(registry, "window_avg_duration_seconds") == 5.162
    assert value(registry, "window_end_timestamp_seconds") == 1_729_938_900
    assert value(registry, "window_events", event_type="click") == 659
    assert value(registry, "window_device_events", device_type="tablet") == 991


def test_before_the_first_result_there_are_no_numbers(registry: CollectorRegistry, instruments: Instruments) -> None:
    assert math.isnan(value(registry, "window_total_events"))


def test_a_window_that_is_known_from_elsewhere_is_shown_and_not_counted(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.known(make_result(30, total_events=7))
    assert value(registry, "window_total_events") == 7
    assert value(registry, "window_events", event_type="click") == 659
    assert value(registry, "results_total") == 0
    instruments.result(make_result(30, revision=1, total_events=8))
    assert value(registry, "window_total_events") == 8


def test_neither_an_older_window_nor_the_same_one_from_elsewhere_replaces_the_shown_one(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result(35, revision=2, total_events=9))
    instruments.known(make_result(30, total_events=7))
    instruments.known(make_result(35, revision=1, total_events=8))
    assert value(registry, "window_total_events") == 9
    assert value(registry, "window_end_timestamp_seconds") == 1_729_939_200


def test_open_and_dropped_pages_and_kept_windows_are_counted(
    registry: CollectorRegistry, instruments: Instruments
) -> None:
    assert value(registry, "open_pages") == value(registry, "kept_windows") == 0
    pages, windows = ["one"], ["two", "more"]
    instruments.open_pages.set_function(lambda: len(pages))
    instruments.kept_windows.set_function(lambda: len(windows))
    pages.append("another")
    instruments.dropped_pages.inc()
    assert value(registry, "open_pages") == 2
    assert value(registry, "kept_windows") == 2
    assert value(registry, "dropped_pages_total") == 1


def test_an_earlier_windows_revision_is_counted_and_changes_no_number(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result(35))
    instruments.result(make_result(30, revision=1, total_events=9))
    assert value(registry, "window_total_events") == 3000
    assert value(registry, "results_total") == 2
    assert value(registry, "revisions_total") == 1


def test_names_from_outside_make_no_time_series(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result(30, event_types={f"type-{number}": 2 for number in range(500)} | {"click": 3}))
    instruments.result(make_result(35, event_types={"search": 1}))
    assert value(registry, "window_events", event_type="click") == 0
    assert value(registry, "window_events", event_type="search") == 1
    assert value(registry, "window_events", event_type="other") == 0
    samples = [sample for metric in registry.collect() for sample in metric.samples if "window_events" in sample.name]
    assert len(samples) == 6


def test_only_the_last_windows_top_pages_and_referrers_are_shown(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result(30, top_pages={"/old": 9, "/kept": 5}, top_referrers={"google.com": 3}))
    instruments.result(make_result(35, top_pages={"/kept": 7, "/" + "x" * 500: 2}, top_referrers={"x.com": 4}))

    samples = [sample for metric in registry.collect() for sample in metric.samples if "_top_" in sample.name]
    assert {value: sample.value for sample in samples for value in sample.labels.values()} == {
        "/kept": 7,
        "/" + "x" * 99: 2,
        "x.com": 4,
    }


def test_pages_that_differ_only_behind_the_cut_are_counted_together(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    long = "/" + "x" * 120
    instruments.result(make_result(top_pages={f"{long}/a": 9, "/short": 5, f"{long}/b": 2}))
    assert value(registry, "window_top_page_events", page_url=long[:100]) == 11


def test_the_length_of_the_last_window_is_shown(
    registry: CollectorRegistry, instruments: Instruments, make_result: MakeResult
) -> None:
    instruments.result(make_result())
    assert value(registry, "window_size_seconds") == 300
