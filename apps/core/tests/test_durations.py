"""Durations in settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.durations import describe_duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000), (" 30s ", 30_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "5", "5x", "s", "-5s", "+5s", "1.5s", "5 s", "5m30s", "٥s", "1e3s", "9" * 16 + "s"]
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="500ms, 10s, 5m or 1h"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_written_duration_reads_as_itself(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "short", "words"),
    [
        (0, "0s", "0 milliseconds"),
        (1, "1ms", "1 millisecond"),
        (1_000, "1s", "1 second"),
        (30_000, "30s", "30 seconds"),
        (90_000, "90s", "90 seconds"),
        (60_000, "1m", "1 minute"),
        (300_000, "5m", "5 minutes"),
        (3_600_000, "1h", "1 hour"),
        (86_400_000, "1d", "1 day"),
        (1_500, "1500ms", "1500 milliseconds"),
    ],
)
def test_the_largest_unit_that_divides_is_written(milliseconds: int, short: str, words: str) -> None:
    assert (format_duration(milliseconds), describe_duration(milliseconds)) == (short, words)
