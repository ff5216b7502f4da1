"""What Prometheus is told: how many results came, and the numbers of the last closed window.

Senders choose the names of event types and devices, so only the usual ones (docs/records.md) become label values.
All others are counted under `other`, and the number of time series stays fixed. Pages and referrers have no
such list: the last window's largest, 5 and 3 of them, are label values, cut to 100 characters, and those of the window
before go. So a scrape never sees more, though over days Prometheus keeps one series for each that was ever among them.

Until a window is known, its numbers are NaN: a gap in a graph, where 0 would be a window without events. After a start
that is a moment only: the page's feed reads the topic's last 7 days, and what it finds to be the newest window is shown
at once (`known`), though not counted, and only where the group's reader, another thread, has not come that far itself.
An older window never takes a newer one's place.
"""

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from clickstream_consumer.results import WindowResult

_EVENT_TYPES = ("page_view", "click", "add_to_cart", "purchase", "search")
_DEVICES = ("mobile", "desktop", "tablet")
_OTHER = "other"
_LONGEST_LABEL = 100
_PREFIX = "clickstream_consumer"


class Instruments:
    """The consumer's metrics, registered with `registry`."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"{_PREFIX}_{name}", help, labels, registry=registry)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"{_PREFIX}_{name}", help, labels, registry=registry)

        self._results = counter("results", "Window results shown, revisions included")
        self._revisions = counter("revisions", "Window results that revised an earlier one")
        self._malformed = counter("malformed", "Records on the metrics topic that could not be read and were skipped")
        self._unreadable = Counter(
            f"{_PREFIX}_unreadable_records",
            "Records on the metrics topic skipped because their batch can't be read",
            ["topic", "partition"],
            registry=registry,
        )
        self._ready = gauge("ready", "1 while connected and a member of the consumer group, else 0")
        self._end = gauge("window_end_timestamp_seconds", "End of the last closed window, in Unix time")
        self._size = gauge("window_size_seconds", "Length of the last closed window")
        self._events = gauge("window_total_events", "Events in the last closed window")
        self._users = gauge("window_unique_users", "Distinct users in the last closed window")
        self._sessions = gauge("window_unique_sessions", "Distinct sessions in the last closed window")
        self._duration = gauge("window_avg_duration_seconds", "Average duration of an event in the last closed window")
        self._by_type = gauge("window_events", "Events in the last closed window by type", "event_type")
        self._by_device = gauge("window_device_events", "Events in the last closed window by device", "device_type")
        self._by_page = gauge("window_top_page_events", "Events of the last closed window's top pages", "page_url")
        self._by_referrer = gauge(
            "window_top_referrer_events", "Events of the last closed window's top referrers", "referrer"
        )
        self._open_pages = gauge("open_pages", "Browsers that have the live page open")
        self._dropped_pages = counter("dropped_pages", "Open pages whose browser took its events too slowly")
        self._refused = counter(
            "refused_requests", "Requests for the page's data above a limit of their address", "limit"
        )
        for limit in ("requests", "streams"):
            self._refused.labels(limit)
        self._kept_windows = gauge("kept_windows", "Windows in memory for the live page")
        self._newest = 0
        self._lock = threading.Lock()
        self._named: dict[Gauge, set[str]] = {self._by_page: set(), self._by_referrer: set()}
        for unknown in (self._end, self._size, self._events, self._users, self._sessions, self._duration):
            unknown.set(math.nan)

    def ready(self, ready: bool) -> None:
        """Note whether results can arrive."""
        self._ready.set(ready)

    def malformed(self) -> None:
        """Count a record that was skipped."""
        self._malformed.inc()

    def unreadable(self, topic: str, partition: int, count: int) -> None:
        """Count records that were skipped because nobody can read the batch they are in."""
        self._unreadable.labels(topic, str(partition)).inc(count)

    def result(self, result: WindowResult) -> None:
        """Count a result and, unless a later window is known, show its numbers."""
        self._results.inc()
        self._revisions.inc(result.metrics.revision > 0)
        with self._lock:
            if result.end >= self._newest:
                self._show(result)

    def known(self, result: WindowResult) -> None:
        """Show the numbers of a result that was read beside the group, unless its window or a later one is shown."""
        with self._lock:
            if result.end > self._newest:
                self._show(result)

    def page_dropped(self) -> None:
        """Count an open page whose connection was closed because it took its events too slowly."""
        self._dropped_pages.inc()

    def page_refused(self, limit: str) -> None:
        """Count a request for the page's data that was above its address's limit of `requests` or `streams`."""
        self._refused.labels(limit).inc()

    def watch_page(self, open_pages: Callable[[], int], kept_windows: Callable[[], int]) -> None:
        """Say who knows, at each scrape, how many pages are open and how many windows are kept for them."""
        self._open_pages.set_function(open_pages)
        self._kept_windows.set_function(kept_windows)

    def _show(self, result: WindowResult) -> None:
        metrics = result.metrics
        self._newest = result.end
        self._end.set(result.end / 1000)
        self._size.set((result.end - result.start) / 1000)
        self._events.set(metrics.total_events)
        self._users.set(metrics.unique_users)
        self._sessions.set(metrics.unique_sessions)
        self._duration.set(metrics.avg_duration_ms / 1000)
        _set_counts(self._by_type, metrics.event_types, _EVENT_TYPES)
        _set_counts(self._by_device, metrics.devices, _DEVICES)
        self._name(self._by_page, metrics.top_pages)
        self._name(self._by_referrer, metrics.top_referrers)

    def _name(self, gauge: Gauge, counts: Mapping[str, int]) -> None:
        """Show these counts by name and no others; the old ones go last, so that no scrape finds the gauge empty."""
        shown: defaultdict[str, int] = defaultdict(int)
        for name, count in counts.items():
            shown[name[:_LONGEST_LABEL]] += count
        for name, count in shown.items():
            gauge.labels(name).set(count)
        for name in self._named[gauge] - shown.keys():
            gauge.remove(name)
        self._named[gauge] = set(shown)


def _set_counts(gauge: Gauge, counts: Mapping[str, int], names: tuple[str, ...]) -> None:
    for name in names:
        gauge.labels(name).set(counts.get(name, 0))
    gauge.labels(_OTHER).set(sum(count for name, count in counts.items() if name not in names))
