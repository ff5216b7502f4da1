"""The Prometheus metrics of the stream."""

from prometheus_client import Counter, Gauge, Histogram

from clickstream_kafka.instruments import KafkaInstruments
from clickstream_scenarios.partition import REASONS, REPEATED
from clickstream_scenarios.requests import LeftOut

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

KAFKA = KafkaInstruments("scenarios")
RESULTS = Counter(
    "clickstream_scenarios_results_total",
    "Results written, by success (1 or 0) and scenario.",
    ["success", "scenario"],
)
DEAD_LETTERS = Counter("clickstream_scenarios_dead_letters_total", "Records refused, by reason.", ["reason"])
LEFT_OUT = Counter(
    "clickstream_scenarios_left_out_total", "Records that are no scenario's request, by reason.", ["reason"]
)
LAG = Gauge("clickstream_scenarios_lag_records", "Records not processed yet.", ["topic", "partition"])
RECENT_IDS = Gauge("clickstream_scenarios_recent_ids", "Request ids of the last ten minutes.", ["topic", "partition"])
FORGOTTEN_IDS = Counter(
    "clickstream_scenarios_forgotten_ids_total", "Request ids forgotten before ten minutes, because there are too many."
)
UNKNOWN_MEMBERS = Counter(
    "clickstream_scenarios_members_given_up_total", "Members that the store did not find out about within 30 s."
)
MEMBER_SECONDS = Histogram(
    "clickstream_scenarios_member_seconds", "Duration of a batch's look-up of members.", buckets=_LATENCIES
)
BATCH_SECONDS = Histogram(
    "clickstream_scenarios_batch_seconds", "Duration of a batch without its members' look-up.", buckets=_LATENCIES
)
COMMIT_SECONDS = Histogram("clickstream_scenarios_commit_seconds", "Duration of a transaction.", buckets=_LATENCIES)
RESTORE_SECONDS = Histogram("clickstream_scenarios_restore_seconds", "Duration of a restore.")

# A series that begins with its first count has no rate for it: these exist from the start.
for _reason in REASONS:
    DEAD_LETTERS.labels(_reason)
for _reason in (REPEATED, *(each.value for each in LeftOut)):
    LEFT_OUT.labels(_reason)
