"""The collector's Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PREFIX = "clickstream_collector"

REQUESTS = Counter(f"{_PREFIX}_requests_total", "Requests answered, by endpoint and status.", ["endpoint", "status"])
REQUEST_SECONDS = Histogram(
    f"{_PREFIX}_request_duration_seconds", "From a request's head to its answer.", ["endpoint"], buckets=_BUCKETS_S
)
ACCEPTED = Counter(f"{_PREFIX}_events_accepted_total", "Events handed to the Kafka client.")
ACKNOWLEDGED = Counter(f"{_PREFIX}_events_acknowledged_total", "Events that Kafka has.")
REJECTED = Counter(f"{_PREFIX}_events_rejected_total", "Objects that are no events, by reason.", ["reason"])
LEFT_OUT = Counter(f"{_PREFIX}_events_left_out_total", "Events not stored: crawlers, visitors who object.", ["reason"])
DEAD_LETTERS = Counter(
    f"{_PREFIX}_dead_letters_total", "Bodies and elements kept as dead letters, by reason.", ["reason"]
)
LIMITED = Counter(f"{_PREFIX}_events_limited_total", "Events, or requests, refused by a rate limit.", ["limit"])
UNTRUSTED_FORWARDS = Counter(
    f"{_PREFIX}_untrusted_forwards_total", "Requests whose X-Forwarded-For came from outside TRUSTED_PROXIES."
)
JOINED = Counter(f"{_PREFIX}_events_joined_total", "Events sent again while they were on their way, or just delivered.")
IN_FLIGHT = Gauge(f"{_PREFIX}_events_in_flight", "Events accepted, neither acknowledged nor refused by Kafka.")
IN_FLIGHT_BOUND = Gauge(f"{_PREFIX}_events_in_flight_bound", "In flight, from here on requests get 503.")
DELIVERY_SECONDS = Histogram(
    f"{_PREFIX}_delivery_latency_seconds", "From a batch's first event to its acknowledgement.", buckets=_BUCKETS_S
)
CONNECTED = Gauge(f"{_PREFIX}_connected", "1 while Kafka acknowledges, 0 while it is away.")

# Series that begin with their first count have no rate of it: these are there from the start.
for _endpoint in ("ingest", "pixel", "script", "other"):
    REQUEST_SECONDS.labels(_endpoint)
for _status in ("200", "429", "503"):
    REQUESTS.labels("ingest", _status)
for _reason in ("missing_field", "wrong_type", "bad_timestamp", "not_object", "too_large"):
    REJECTED.labels(_reason)
for _reason in ("bot", "consent"):
    LEFT_OUT.labels(_reason)
for _limit in ("visitor", "site", "visitor_bytes", "site_bytes"):
    LIMITED.labels(_limit)
DEAD_LETTERS.labels("not_json")
