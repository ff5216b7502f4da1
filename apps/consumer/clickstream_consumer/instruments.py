"""Prometheus metrics: how many results arrived, and the numbers of the last closed window (docs/metrics.md).

Event types and devices are counted by their usual names and as `other`, so the number of time series is fixed. Pages
and referrers have no such list: the last window's largest are label values, cut to 100 characters, and those of the
window before are removed. Until a window is known, its numbers are NaN: a gap in a graph, where 0 would be a window
without events. After a start the page's feed shows the newest window that it finds (`known`) without counting it,
unless the group's reader, another thread, has come further. An older window never replaces a newer one.
"""

import math
import threading
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from clickstream_consumer.results import USUAL_DEVICES, USUAL_EVENT_TYPES, WindowResult, by_usual_name

_MAX_LABEL_CHARACTERS = 100
_PREFIX = "clickstream_consumer"


class Instruments:
    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", help, labels, registry=registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", help, labels, registry=registry)

        self.ready = gauge("ready", "1 while connected and a member of the consumer group, else 0")
        self.malformed = counter("malformed", "Records on the metrics topic that could not be read and were skipped")
        self.open_pages = gauge("open_pages", "Browsers that have the live page open")
        self.dropped_pages = counter("dropped_pages", "Open pages whose browser read its events too slowly")
        self.kept_windows = gauge("kept_windows", "Windows in memory for the live page")
        refused = "Requests for the page's data above a limit of their address"
        self._refused = counter("refused_requests", refused, "limit")
        for limit in ("requests", "streams"):
            self._refused.labels(limit)
        unreadable = "Records on the metrics topic skipped because their batch can't be read"
        self._unreadable = counter("unreadable_records", unreadable, "topic", "partition")
        self._results = counter("results", "Window results shown, revisions included")
        self._revisions = counter("revisions", "Window results that revised an earlier one")
        self._end = gauge("window_end_timestamp_seconds", "End of the last closed window, in Unix time")
        self._size = gauge("window_size_seconds", "Length of the last closed window")
        self._events = gauge("window_total_events", "Events in the last closed window")
        self._users = gauge("window_unique_users", "Distinct users in the last closed window")
        self._sessions = gauge("window_unique_sessions", "Distinct sessions in the last closed window")
        self._duration = gauge("window_avg_duration_seconds", "Average duration of an event in the last closed window")
        self._by_type = gauge("window_events", "Events in the last closed window by type", "event_type")
        self._by_device = gauge("window_device_events", "Events in the last closed window by device", "device_type")
        self._by_page = gauge("window_top_page_events", "Events of the last closed window's top pages", "page_url")
        top_referrers = "Events of the last closed window's top referrers"
        self._by_referrer = gauge("window_top_referrer_events", top_referrers, "referrer")
        self._named: dict[Gauge, set[str]] = {self._by_page: set(), self._by_referrer: set()}
        for unknown in (self._end, self._size, self._events, self._users, self._sessions, self._duration):
            unknown.set(math.nan)
        self._newest = 0
        self._lock = threading.Lock()

    def unreadable(self, topic: str, partition: int, count: int) -> None:
        self._unreadable.labels(topic, str(partition)).inc(count)

    def refused(self, limit: str) -> None:
        self._refused.labels(limit).inc()

    def result(self, result: WindowResult) -> None:
        """Count a result and, unless a later window is known, show its numbers."""
        self._results.inc()
        self._revisions.inc(result.metrics.revision > 0)
        with self._lock:
            if result.end >= self._newest:
                self._show(result)

    def known(self, result: WindowResult) -> None:
        """Show the numbers of a result that was read outside the group, unless its window or a later one is shown."""
        with self._lock:
            if result.end > self._newest:
                self._show(result)

    def _show(self, result: WindowResult) -> None:
        metrics = result.metrics
        self._newest = result.end
        self._end.set(result.end / 1000)
        self._size.set((result.end - result.start) / 1000)
        self._events.set(metrics.total_events)
        self._users.set(metrics.unique_users)
        self._sessions.set(metrics.unique_sessions)
        self._duration.set(metrics.avg_duration_ms / 1000)
        _set_each(self._by_type, by_usual_name(metrics.event_types, USUAL_EVENT_TYPES))
        _set_each(self._by_device, by_usual_name(metrics.devices, USUAL_DEVICES))
        self._replace(self._by_page, metrics.top_pages)
        self._replace(self._by_referrer, metrics.top_referrers)

    def _replace(self, gauge: Gauge, counts: Mapping[str, int]) -> None:
        """Show these counts only. The old ones are removed last, so that no scrape finds the gauge empty."""
        shown: defaultdict[str, int] = defaultdict(int)
        for name, count in counts.items():
            shown[name[:_MAX_LABEL_CHARACTERS]] += count
        _set_each(gauge, shown)
        for name in self._named[gauge] - shown.keys():
            gauge.remove(name)
        self._named[gauge] = set(shown)


def _set_each(gauge: Gauge, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        gauge.labels(name).set(count)
