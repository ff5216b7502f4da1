"""The producer's Prometheus metrics, computed from the latest progress at each scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from clickstream_producer.progress import LATENCY_BOUNDS_S, Condition, Progress


class ProgressCollector(Collector):
    """Exports `progress`, the sum over all processes, which the program keeps up to date."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.progress = Progress()

    def collect(self) -> Iterator[Metric]:
        now = self.progress
        prefix = "clickstream_producer_"
        yield CounterMetricFamily(prefix + "events_sent", "Events handed to the Kafka client", now.accepted)
        yield CounterMetricFamily(prefix + "events_acknowledged", "Events that Kafka has", now.acknowledged)
        yield CounterMetricFamily(prefix + "events_failed", "Events that Kafka refused for good", now.failed)
        yield GaugeMetricFamily(prefix + "events_in_flight", "Events sent, not acknowledged yet", now.in_flight)
        yield GaugeMetricFamily(prefix + "events_in_flight_bound", "In flight, generation pauses here", now.bound)
        yield GaugeMetricFamily(prefix + "target_rate_events_per_second", "The asked-for rate", self._rate)
        yield GaugeMetricFamily(
            prefix + "connected", "1 while Kafka acknowledges, 0 while it is away", now.condition is Condition.RUNNING
        )
        latency = HistogramMetricFamily(
            prefix + "delivery_latency_seconds", "From the hand-over of an event to its acknowledgement"
        )
        reached, buckets = 0, []
        for bound, count in zip((*map(str, LATENCY_BOUNDS_S), "+Inf"), now.latencies, strict=True):
            reached += count
            buckets.append((bound, float(reached)))
        latency.add_metric([], buckets, now.latency_sum)
        yield latency
