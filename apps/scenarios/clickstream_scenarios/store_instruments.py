"""The Prometheus metrics of database and cache."""

from prometheus_client import Counter, Gauge, Histogram

_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
SOURCES = ("memory", "redis", "database")

DATABASE_UP = Gauge("clickstream_scenarios_database_up", "Whether the database answered last: 1 or 0.")
REDIS_UP = Gauge("clickstream_scenarios_redis_up", "Whether Redis answered last: 1 or 0; 0 without Redis too.")
RULES_AGE = Gauge("clickstream_scenarios_rules_age_seconds", "Time since the rules were compared with the database.")
SCENARIOS = Gauge("clickstream_scenarios_active_scenarios", "Scenarios that are active.")
MEMBERS_FOUND = Counter(
    "clickstream_scenarios_members_found_total", "Members looked up, by where they were.", ["source"]
)
MEMBER_QUERIES = Counter("clickstream_scenarios_member_queries_total", "Queries for members, up to 1000 in each.")
QUERY_SECONDS = Histogram(
    "clickstream_scenarios_member_query_seconds", "Duration of the database's answers for members.", buckets=_LATENCIES
)

for _source in SOURCES:
    MEMBERS_FOUND.labels(_source)
