"""The processor's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

from clickstream_kafka.instruments import KafkaInstruments
from clickstream_streams.refusals import REASONS

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WINDOW_LATENCIES = (1, 2, 5, 6, 7, 8, 10, 15, 20, 30, 60, 120, 300, 900, 3600, 86_400)

KAFKA = KafkaInstruments("streams")
WINDOW_SIZE_SECONDS = Gauge("clickstream_streams_window_size_seconds", "WINDOW_SIZE.")
EVENTS = Counter("clickstream_streams_events_total", "Events counted in a window.", ["partition"])
DEAD_LETTERS = Counter("clickstream_streams_dead_letters_total", "Records refused, by reason.", ["reason"])
LAG = Gauge("clickstream_streams_lag_records", "Records of the partition not processed yet.", ["partition"])
WATERMARK = Gauge("clickstream_streams_watermark_timestamp_seconds", "The partition's watermark.", ["partition"])
OPEN_WINDOWS = Gauge("clickstream_streams_open_windows", "Windows whose events are not written yet.", ["partition"])
APPROXIMATE_WINDOWS = Gauge(
    "clickstream_streams_approximate_windows", "Open windows counted by a sketch.", ["partition"]
)
COUNTING = Gauge("clickstream_streams_counting", "1 for what counts: native or python.", ["implementation"])
OF_A_PARTITION = (LAG, WATERMARK, OPEN_WINDOWS, APPROXIMATE_WINDOWS)
"""Shown only for the partitions that the replica has."""
BATCH_SECONDS = Histogram(
    "clickstream_streams_batch_seconds", "Duration of a turn with records.", ["stage"], buckets=_LATENCIES
)
COMMIT_SECONDS = Histogram(
    "clickstream_streams_commit_seconds", "Duration of a transaction.", ["stage"], buckets=_LATENCIES
)
RESTORE_SECONDS = Histogram("clickstream_streams_restore_seconds", "Duration of a restore.", ["stage"])
WINDOWS = Counter("clickstream_streams_windows_total", "Results emitted, by kind: first or revision.", ["kind"])
WINDOW_LATENCY_SECONDS = Histogram(
    "clickstream_streams_window_latency_seconds",
    "From a window's end to when its first result was committed.",
    buckets=_WINDOW_LATENCIES,
)
SKIPPED_INTERNAL_RECORDS = Counter(
    "clickstream_streams_skipped_internal_records_total",
    "Records on the partials topic that no version of the processor writes.",
)
MAX_CLOCK_SKEW_SECONDS = Gauge("clickstream_streams_max_clock_skew_seconds", "MAX_CLOCK_SKEW.")
WAITING_SECONDS = Gauge(
    "clickstream_streams_window_waiting_seconds", "How long a window has waited for a partition, at most."
)

# A series that begins with its first count has no rate for it: these exist from the start.
for _reason in REASONS:
    DEAD_LETTERS.labels(_reason)
for _kind in ("first", "revision"):
    WINDOWS.labels(_kind)
