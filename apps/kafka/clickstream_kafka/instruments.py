"""The Prometheus metrics that this package keeps for an app, under the app's name."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

_OF_A_PARTITION = ("topic", "partition")


class KafkaInstruments:
    """The metrics; to be made once for each app and registry."""

    def __init__(self, app: str, registry: CollectorRegistry = REGISTRY) -> None:
        """Register the metrics as `clickstream_<app>_…`."""
        name = f"clickstream_{app}"
        self.fetched_bytes = Counter(
            f"{name}_fetched_bytes_total", "Bytes of record batches, as compressed.", _OF_A_PARTITION, registry=registry
        )
        unreadable = "Records skipped because their batch can't be read."
        self.unreadable = Counter(f"{name}_unreadable_records_total", unreadable, _OF_A_PARTITION, registry=registry)
        rebalances = "Assignments of partitions to this replica."
        self.rebalances = Counter(f"{name}_rebalances_total", rebalances, ["stage"], registry=registry)
        offset = "How far this machine's clock is ahead of the brokers'."
        self.clock_offset_seconds = Gauge(f"{name}_clock_offset_seconds", offset, registry=registry)

    def count_unreadable(self, topic: str, partition: int, count: int) -> None:
        self.unreadable.labels(topic, str(partition)).inc(count)
