from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.processor_times import ProcessorTimes
from clickstream_streams.worst_case import (
    MOST_CHANGING_WINDOWS,
    changing_windows,
    container_limit,
    open_windows,
    smallest_window_size,
    why_it_may_not_fit,
    worst_case_bytes,
)

MIB = 1024 * 1024
DAY = 86_400_000


def test_the_defaults_with_six_partitions_fit_into_the_chart_s_limit() -> None:
    assert worst_case_bytes(ProcessorTimes(), 100_000, 6) <= 1024 * MIB


def test_more_ids_partitions_windows_and_lateness_take_more() -> None:
    usual = worst_case_bytes(ProcessorTimes(), 100_000, 6)
    assert worst_case_bytes(ProcessorTimes(), 125_000, 6) > usual
    assert worst_case_bytes(ProcessorTimes(), 100_000, 12) > usual
    assert worst_case_bytes(ProcessorTimes(window_size=10_000), 100_000, 6) > usual
    assert worst_case_bytes(ProcessorTimes(allowed_lateness=DAY), 100_000, 6) == usual + 287 * 5_000 + 5_000


@pytest.mark.parametrize(
    ("times", "opened", "changing"),
    [
        (ProcessorTimes(), 2, 3),
        (ProcessorTimes(window_size=1_000), 66, 127),
        (ProcessorTimes(window_size=10_000, out_of_orderness=0, max_clock_skew=0, allowed_lateness=0), 1, 2),
    ],
)
def test_windows_are_counted_that_a_span_of_time_may_touch(times: ProcessorTimes, opened: int, changing: int) -> None:
    assert (open_windows(times), changing_windows(times)) == (opened, changing)


@given(st.integers(0, 7 * DAY), st.integers(0, DAY), st.integers(0, DAY))
def test_the_smallest_window_size_is_one_that_can_be_held(lateness: int, disorder: int, skew: int) -> None:
    times = ProcessorTimes(DAY, disorder, lateness, 10_000, skew)
    size = max(1_000, smallest_window_size(times))
    assert changing_windows(ProcessorTimes(size, disorder, lateness, 10_000, skew)) <= MOST_CHANGING_WINDOWS
    if size > 1_000:
        smaller = ProcessorTimes(size - 1_000, disorder, lateness, 10_000, skew)
        assert changing_windows(smaller) >= MOST_CHANGING_WINDOWS


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.max", "1073741824\n", 1024 * MIB),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "536870912\n", 512 * MIB),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("other", "1", None),
    ],
)
def test_the_container_s_limit_is_read_from_its_cgroup(
    tmp_path: Path, name: str, text: str, expected: int | None
) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    assert container_limit(tmp_path) == expected


def test_a_limit_below_the_worst_case_is_named_with_it_and_what_to_do() -> None:
    assert why_it_may_not_fit(ProcessorTimes(), 100_000, 6, 1024 * MIB) == ""
    assert why_it_may_not_fit(ProcessorTimes(), 100_000, 6, None) == ""
    why = why_it_may_not_fit(ProcessorTimes(), 100_000, 6, 512 * MIB)
    worst = worst_case_bytes(ProcessorTimes(), 100_000, 6) // MIB
    assert f"it takes {worst} MiB; the container's limit is 512 MiB" in why
    assert "lower EXACT_LIMIT (100000)" in why
