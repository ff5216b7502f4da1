"""The processor under test: started on a test's topics with short windows, with its output and metrics."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

from kit.events import invalid_values, timestamp
from kit.generate import Shape, generate
from kit.offline import Result, read_dead_letters
from kit.poll import eventually
from kit.processes import App, Apps
from kit.topics import PipelineTopics, ToSend, committed, end_offsets

SHORT_WINDOWS = {
    "WINDOW_SIZE": "5s",
    "OUT_OF_ORDERNESS": "3s",
    "ALLOWED_LATENESS": "20s",
    "IDLE_TIMEOUT": "3s",
    "MAX_CLOCK_SKEW": "1m",
    "COMMIT_INTERVAL": "500ms",
    "REVISION_INTERVAL": "1s",
}


def start_processor(apps: Apps, topics: PipelineTopics, **settings: str) -> App:
    """Start one replica with SHORT_WINDOWS, overridden by `settings`."""
    return apps.start("clickstream_streams.main", environ={**topics.environ, **SHORT_WINDOWS}, **settings)


def windows_announced(*replicas: App) -> list[str]:
    """The lines `✅ Window completed: …` of all replicas."""
    return [line for each in replicas for line in each.output().splitlines() if line.startswith("✅ Window completed")]


def sample(app: App, name: str, **labels: str) -> float:
    """The sum of the app's /metrics samples of that name with those labels; 0 if there are none."""
    status, text = app.get("/metrics")
    assert status == 200, f"/metrics: {status} {text}"
    families = text_string_to_metric_families(text)
    samples = [each for family in families for each in family.samples if each.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


def dead_letter_reasons(topics: PipelineTopics) -> Counter[str]:
    """The number of dead letters by reason."""
    return Counter(each.header("reason") for each in read_dead_letters(topics).values())


def expected_dead_letters(
    shape: Shape,
    records: Sequence[ToSend],
    written: Sequence[tuple[int, int]],
    *,
    window_size: int,
    out_of_orderness: int,
    allowed_lateness: int,
    max_clock_skew: int,
) -> dict[tuple[int, int], str]:
    """The reason of each generated record that must be refused, by (partition, offset); the settings in milliseconds.

    For records that are all there before the processor reads the first one, so that no clock matters: which are late
    follows from the largest min(event time, record timestamp) among the records before it in its partition.
    """
    start = datetime.fromtimestamp(shape.start_ms / 1000, UTC)
    malformed = {each.value: each.reason for each in invalid_values(start) if each.reason != "future"}
    highest: dict[int, int] = {}
    reasons: dict[tuple[int, int], str] = {}
    for (partition, offset), record in sorted(zip(written, records, strict=True), key=lambda each: each[0]):
        value, arrival = record.value or b"", record.timestamp or 0
        reason = malformed.get(record.value)
        if reason is None:
            event_time: int | None = _milliseconds(json.loads(value)["timestamp"])
        else:
            # The table's malformed events, where they are events at all, carry the time of the stream's start.
            usable = reason in ("missing_field", "wrong_type") and timestamp(start).encode() in value
            event_time = shape.start_ms if usable else None
        if event_time is not None:
            over = highest.get(partition, 0) - out_of_orderness - allowed_lateness
            if reason is None and event_time > arrival + max_clock_skew:
                reason = "future"
            elif reason is None and (event_time // window_size + 1) * window_size <= over:
                reason = "late"
            highest[partition] = max(highest.get(partition, 0), min(event_time, arrival))
        if reason is not None:
            reasons[partition, offset] = reason
    return reasons


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def live_shape(seconds: int, events_per_second: int, partitions: int = 6) -> Shape:
    """A stream that begins in a second and lasts `seconds`, for `LiveStream`."""
    return Shape(
        start_ms=int(time.time() * 1000) + 1000,
        span_ms=seconds * 1000,
        events=seconds * events_per_second,
        partitions=partitions,
        disorder_ms=2000,
    )


class ToBeRefused(Protocol):
    """How many records of a stream were made to be refused, by reason."""

    @property
    def late(self) -> int: ...

    @property
    def future(self) -> int: ...

    @property
    def malformed(self) -> int: ...


def assert_nothing_was_refused_in_vain(topics: PipelineTopics, shape: ToBeRefused) -> None:
    """The dead letters must be those that the shape put into the stream on purpose.

    Of the late ones some may have been counted: those that were their partition's first.
    """
    reasons = dead_letter_reasons(topics)
    malformed = sum(count for reason, count in reasons.items() if reason not in ("late", "future", "expired"))
    assert reasons["late"] <= shape.late, f"{reasons['late']} late dead letters, {shape.late} events were late"
    assert (malformed, reasons["future"], reasons["expired"]) == (shape.malformed, shape.future, 0), reasons


def minutes_ago(minutes: int) -> int:
    """Milliseconds since the epoch, at a full minute."""
    return (int(time.time()) // 60 - minutes) * 60_000


def regular_stream(start_ms: int, partitions: int = 6) -> list[ToSend]:
    """A minute of events, out of order, all of them valid."""
    shape = Shape(start_ms, span_ms=60_000, events=600, partitions=partitions, late=0, future=0, malformed=0)
    return generate(shape, seed=21)


def wait_until_all_is_committed(topics: PipelineTopics) -> None:
    """Wait until the processor has committed everything in the events topic."""
    servers = topics.bootstrap_servers
    eventually(lambda: committed(servers, topics.group_id, topics.events) == end_offsets(servers, topics.events), 60)


def total_events(result: Result) -> int:
    """The result's total_events."""
    number = result.numbers["total_events"]
    assert isinstance(number, int), f"{number!r} is no integer"
    return number
