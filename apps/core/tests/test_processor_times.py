import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.errors import SettingsError
from clickstream_core.processor_times import (
    DAY_MS,
    MARGIN_MS,
    ProcessorTimes,
    alter_command,
    explain_short_retention,
    retention_changes,
)
from clickstream_core.settings import read_settings

LONGEST = ProcessorTimes(DAY_MS, DAY_MS, 7 * DAY_MS, DAY_MS, DAY_MS)
"""The largest of everything that the settings offer."""


def read(**environ: str) -> ProcessorTimes:
    return read_settings(ProcessorTimes, prog="test", description="", argv=[], environ=environ)


def test_the_largest_values_are_those_that_the_settings_offer() -> None:
    assert read(**dict.fromkeys(("WINDOW_SIZE", "OUT_OF_ORDERNESS", "IDLE_TIMEOUT", "MAX_CLOCK_SKEW"), "1d")) == (
        ProcessorTimes(DAY_MS, DAY_MS, 60_000, DAY_MS, DAY_MS)
    )
    assert read(ALLOWED_LATENESS="7d").allowed_lateness == LONGEST.allowed_lateness
    for name in ("WINDOW_SIZE", "OUT_OF_ORDERNESS", "IDLE_TIMEOUT", "MAX_CLOCK_SKEW", "ALLOWED_LATENESS"):
        with pytest.raises(SettingsError, match=name):
            read(**{name: "8d"})


@pytest.mark.parametrize(
    ("times", "needed_ms", "days"),
    [
        (ProcessorTimes(), 365_000, 1),
        (ProcessorTimes(window_size=DAY_MS), DAY_MS + 65_000, 2),
        (ProcessorTimes(allowed_lateness=7 * DAY_MS), 7 * DAY_MS + 305_000, 8),
        (ProcessorTimes(out_of_orderness=DAY_MS), DAY_MS + 360_000, 2),
        (LONGEST, 9 * DAY_MS, 12),
    ],
)
def test_topics_are_kept_for_what_a_restart_needs_and_half_a_day_at_least(
    times: ProcessorTimes, needed_ms: int, days: int
) -> None:
    assert (times.needed_ms, times.kept_ms) == (needed_ms, days * DAY_MS)


@given(st.integers(1, 86_400), *(st.integers(0, most) for most in (DAY_MS, 7 * DAY_MS, DAY_MS, DAY_MS)))
def test_a_topic_that_keeps_what_we_give_it_is_never_refused(
    seconds: int, disorder: int, lateness: int, idle: int, skew: int
) -> None:
    times = ProcessorTimes(seconds * 1000, disorder, lateness, idle, skew)
    config = {"retention.ms": str(times.kept_ms), "retention.bytes": "-1", "cleanup.policy": "delete"}
    assert times.kept_ms >= times.longest_needed_ms + MARGIN_MS
    assert times.kept_ms % DAY_MS == 0
    assert not retention_changes(config, times.kept_ms, times.kept_ms)
    assert not explain_short_retention("events", config, times, at_worst=True)


SHORT = ProcessorTimes(window_size=5_000, out_of_orderness=3_000, allowed_lateness=20_000)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({}, {}),
        ({"retention.ms": "-1"}, {}),
        ({"retention.ms": "28000"}, {}),
        ({"retention.ms": "27999"}, {"retention.ms": "86400000"}),
        ({"retention.ms": "-1", "retention.bytes": "1073741824"}, {"retention.bytes": "-1"}),
        ({"retention.ms": "1", "retention.bytes": "0"}, {"retention.ms": "86400000", "retention.bytes": "-1"}),
        ({"retention.ms": "1", "cleanup.policy": "compact"}, {}),
        ({"retention.ms": "1", "cleanup.policy": "compact,delete"}, {"retention.ms": "86400000"}),
    ],
)
def test_what_falls_short_is_every_limit_that_may_forget_too_early(
    config: dict[str, str], changes: dict[str, str]
) -> None:
    assert retention_changes(config, SHORT.needed_ms, SHORT.kept_ms) == changes
    assert bool(explain_short_retention("events", config, SHORT)) is bool(changes)


def test_too_little_is_said_with_what_is_kept_and_what_is_needed() -> None:
    config = {"retention.ms": "20000", "retention.bytes": "1000"}
    assert explain_short_retention("events", config, SHORT) == (
        "events keeps records for 20s and keeps at most 1000 bytes of a partition, however new (retention.bytes), "
        "a restart must replay 28s (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS)"
    )
    assert explain_short_retention("events", {"retention.ms": "28000"}, SHORT) == ""
    worst = explain_short_retention("events", {"retention.ms": "28000"}, SHORT, at_worst=True)
    assert (
        "must replay 98s (WINDOW_SIZE + OUT_OF_ORDERNESS + ALLOWED_LATENESS + MAX_CLOCK_SKEW + IDLE_TIMEOUT)" in worst
    )


def test_the_command_names_brokers_topic_and_values() -> None:
    changes = {"retention.ms": "172800000", "retention.bytes": "-1"}
    assert alter_command("events", changes, ("a:9092", "b:9092"), secured=False) == (
        "kafka-configs.sh --bootstrap-server a:9092,b:9092 --alter --entity-type topics --entity-name events "
        "--add-config retention.ms=172800000,retention.bytes=-1"
    )
    assert " --command-config client.properties --alter " in alter_command("events", changes, ("a:1",), secured=True)
