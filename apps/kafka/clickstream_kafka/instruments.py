"""The Prometheus metrics that this package keeps for an app, under the app's name."""

from dataclasses import dataclass
from typing import Self

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

_OF_A_PARTITION = ("topic", "partition")


@dataclass(frozen=True)
class KafkaInstruments:
    """The metrics; to be made once for each app and registry."""

    fetched_bytes: Counter
    unreadable: Counter
    rebalances: Counter
    clock_offset_seconds: Gauge

    @classmethod
    def registered(cls, app: str, registry: CollectorRegistry = REGISTRY) -> Self:
        """Register the metrics as `clickstream_<app>_…`."""
        prefix = f"clickstream_{app}"
        return cls(
            Counter(
                f"{prefix}_fetched_bytes_total",
                "Bytes of record batches, as compressed.",
                _OF_A_PARTITION,
                registry=registry,
            ),
            Counter(
                f"{prefix}_unreadable_records_total",
                "Records skipped because their batch can't be read.",
                _OF_A_PARTITION,
                registry=registry,
            ),
            Counter(
                f"{prefix}_rebalances_total", "Assignments of partitions to this replica.", ["stage"], registry=registry
            ),
            Gauge(
                f"{prefix}_clock_offset_seconds",
                "How far this machine's clock is ahead of the brokers'.",
                registry=registry,
            ),
        )

    def count_unreadable(self, topic: str, partition: int, count: int) -> None:
        """Count records that were skipped."""
        self.unreadable.labels(topic, str(partition)).inc(count)
