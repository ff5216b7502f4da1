"""The wheel beside Python's counting: the same counts however often a window is written, and with sketches."""

import json
from dataclasses import dataclass

import counted_by
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.timestamps import format_milliseconds, parse_timestamp
from clickstream_kafka.records import Record
from clickstream_streams.commits import EventsCommit
from clickstream_streams.counting import Bounds, Counting
from clickstream_streams.counts import PartialCounts, merged_metrics
from clickstream_streams.judging import Judge
from clickstream_streams.python_counting import PythonCounting
from clickstream_streams.refusals import Refusals
from clickstream_streams.spans import Span
from clickstream_streams.windows import NEVER, CountingRules

if "native" not in counted_by.INSTALLED:
    pytest.skip("the wheel is not installed: make native", allow_module_level=True)

RULES = CountingRules(10_000, "event", 60_000)
WINDOW = parse_timestamp("2026-11-27T10:00:00Z")
BOUNDS = Bounds(over=NEVER, behind=10**16, believed_to=10**16, end_offset=10**16)
SPAN = Span(0, 0, Refusals(0), Refusals(0))

names = st.text(st.sampled_from('ab\u00fc"\\'), min_size=1, max_size=2)
events = st.fixed_dictionaries(
    {
        "timestamp": st.integers(0, 9_999).map(lambda after: format_milliseconds(WINDOW + after)),
        **dict.fromkeys(("user_id", "session_id", "event_type", "page_url", "referrer", "device_type"), names),
        "duration_ms": st.integers(0, 2**63 - 1),
    }
)


@dataclass
class Stored:
    offset: int
    value: bytes | None
    timestamp: int = WINDOW
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def take(counting: Counting, batch: list[dict[str, object]]) -> None:
    def refuse(record: Record, reason: str, error: str) -> None:
        raise AssertionError(f"{record} is {reason}: {error}")

    commit = EventsCommit(rules=RULES, replay_from=0, joined=True)
    records: list[Record] = [Stored(offset, json.dumps(each).encode()) for offset, each in enumerate(batch)]
    taken = counting.take(records, BOUNDS, Judge(commit, BOUNDS, refuse, lambda offset: None))
    assert taken.windows[WINDOW].events == len(batch)


@given(st.lists(st.lists(events, min_size=1, max_size=8), min_size=1, max_size=4), st.integers(0, 3), st.data())
def test_a_window_that_is_written_more_than_once_has_the_counts_of_python(
    batches: list[list[dict[str, object]]], forgotten_after: int, data: st.DataObject
) -> None:
    from clickstream_streams.native_counting import NativeCounting

    limit = data.draw(st.sampled_from([1, 3, 1000]))
    native, python = NativeCounting(RULES, limit), PythonCounting(RULES, limit)
    for number, batch in enumerate(batches):
        for counting in (native, python):
            take(counting, batch)
        if data.draw(st.booleans()):
            assert merged(native) == merged(python)
            assert merged(native) == merged(python), "what is written once more is the same"
        if number == forgotten_after:
            native.forget(WINDOW)
            python.forget(WINDOW)
            take(native, batch)
            take(python, batch)
    assert merged(native) == merged(python)
    assert native.approximate_windows == python.approximate_windows


def merged(counting: Counting) -> object:
    partial: PartialCounts = counting.snapshot(WINDOW, SPAN)
    return merged_metrics(WINDOW, WINDOW + 10_000, [partial])
