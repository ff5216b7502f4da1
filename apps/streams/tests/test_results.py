"""What the merge reads back from the metrics topic."""

import asyncio
import uuid

import pytest

from clickstream_core.groups import DEFAULT_GROUP
from clickstream_core.timestamps import format_seconds, parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from clickstream_streams.results import emitted_results
from kit.topics import ToSend, send

HOUR = 3_600_000
WRITTEN = parse_timestamp("2024-10-26T10:30:00Z")


@pytest.mark.parametrize(("ahead", "max_clock_skew"), [(-HOUR, 0), (HOUR, 60_000), (23 * HOUR, 24 * HOUR)])
def test_a_result_that_was_written_before_its_windows_end_is_found(
    broker: Broker, ahead: int, max_clock_skew: int
) -> None:
    """Watermarks may be MAX_CLOCK_SKEW ahead of the clock, and so a result of its window's end."""
    topic, end = f"t{uuid.uuid4().hex[:10]}-metrics", WRITTEN + ahead
    window = format_seconds(end - HOUR), format_seconds(end)
    result = WindowMetrics(*window, 1, 1, 1, {"click": 1}, {"mobile": 1}, {"direct": 1}, {"/": 1}, 5, 0, False)
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, [Topic(topic, 1, {"retention.ms": "-1"})])
    send(broker.bootstrap_servers, topic, [ToSend(encode_window_metrics(result), timestamp=WRITTEN)])

    kafka = {"bootstrap_servers": broker.bootstrap_servers}
    assert asyncio.run(emitted_results(kafka, topic, 1, DEFAULT_GROUP, end - 1, max_clock_skew)) == [result]
    assert asyncio.run(emitted_results(kafka, topic, 1, DEFAULT_GROUP, end, max_clock_skew)) == []
