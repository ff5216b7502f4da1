"""The tables of docs/metrics.md and what the apps register: whatever is in one of them must be in the other."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from clickstream_archive.instruments import LastRuns
from clickstream_archive.runs import Run
from clickstream_collector import instruments as collector
from clickstream_consumer.instruments import Instruments
from clickstream_core.build_info import publish_build_info
from clickstream_producer.metrics import ProgressCollector
from clickstream_scenarios import instruments as scenarios
from clickstream_scenarios import store_instruments
from clickstream_statistics import instruments as statistics
from clickstream_streams import instruments as streams
from kit import inventory

Documented = dict[str, tuple[str, frozenset[str]]]


def _served(families: Iterable[Metric]) -> dict[str, str]:
    """Type by name, as a scrape shows it: counters end in _total."""
    return {f"{each.name}_total" if each.type == "counter" else each.name: each.type for each in families}


def _registered() -> dict[str, str]:
    registry = CollectorRegistry()
    publish_build_info("producer", registry)
    registry.register(ProgressCollector(10.0))
    Instruments(registry)
    registry.register(_last_runs())
    families = [*registry.collect()]
    served = (streams, streams.KAFKA, scenarios, scenarios.KAFKA, store_instruments, collector, statistics)
    for each in (value for holder in served for value in vars(holder).values()):
        if hasattr(each, "collect") and not isinstance(each, type):
            families.extend(each.collect())
    return _served(families)


def _last_runs() -> LastRuns:
    at = datetime(2026, 11, 27, tzinfo=UTC)
    offsets = {"topic": "clickstream-events", "missing_offsets": 0, "doubled_offsets": 0, "unknown_offsets": 0}
    results: dict[str, dict[str, Any]] = {
        "compact": {"tables": {"events": {"typed_rows": 1, "open_hours": 0, "failed": [], "untyped": {"not_json": 1}}}},
        "verify": {"partitions": [offsets], "groups": [{"equal": 1, "different": 0, "not_judged": {}}]},
        "report": {"events": 1, "users": 1, "sessions": 1},
    }
    last = LastRuns()
    last.update({command: Run(command, at, at, 0, result) for command, result in results.items()}, at.timestamp())
    return last


def test_every_metric_of_the_apps_is_in_the_tables_and_nothing_else_is(documented: Documented) -> None:
    assert {name: kind for name, (kind, _) in documented.items()} == _registered()


def test_names_follow_the_conventions(documented: Documented) -> None:
    for name, (kind, labels) in documented.items():
        assert name.split("_")[:2] in [["clickstream", each] for each in ("build", *inventory.apps())], name
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind != "histogram" or name.endswith("_seconds"), name
        assert not name.endswith(("_ms", "_milliseconds", "_kb", "_minutes")), name
        assert not labels & {"user_id", "session_id", "event_id", "offset", "timestamp"}, name
