"""The Prometheus metrics of the job, those of Spark's query included."""

from prometheus_client import Counter, Gauge, Histogram

from clickstream_statistics.failures import CAUSES

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100)
PHASES = ("latestOffset", "queryPlanning", "getBatch", "walCommit", "addBatch", "commitOffsets")
"""Of a batch, as Spark names them in a query's progress."""

BATCH_SECONDS = Histogram("clickstream_statistics_batch_seconds", "Duration of a batch.", buckets=_SECONDS)
PHASE_SECONDS = Histogram(
    "clickstream_statistics_phase_seconds", "Duration of a phase of a batch.", ["phase"], buckets=_SECONDS
)
RECORDS = Counter("clickstream_statistics_records_total", "Records read.")
STORED_ROWS = Counter("clickstream_statistics_stored_rows_total", "Rows written to Parquet.")
MALFORMED = Counter("clickstream_statistics_malformed_total", "Records that are not of the topic's form.")
LAST_BATCH = Gauge(
    "clickstream_statistics_last_batch_timestamp_seconds", "When the last batch was committed, or the topic was empty."
)
LAG = Gauge("clickstream_statistics_lag_records", "Records not stored yet.", ["partition"])
FAILURES = Counter(
    "clickstream_statistics_failures_total", "Failures of the query, which then begins again.", ["cause"]
)
SCENARIOS = Gauge("clickstream_statistics_scenarios", "Scenarios that have results.")
REDIS_UP = Gauge("clickstream_statistics_redis_up", "1 if Redis took the last numbers.")
REDIS_SECONDS = Histogram("clickstream_statistics_redis_seconds", "Duration of writing to Redis.")
REDIS_LAST_WRITE = Gauge("clickstream_statistics_redis_last_write_timestamp_seconds", "When Redis was last written.")

# A series that begins with its first count has no rate for it: these exist from the start.
for _cause in CAUSES:
    FAILURES.labels(_cause)
for _phase in PHASES:
    PHASE_SECONDS.labels(_phase)
