"""A window's result as it arrived: the numbers, and where in Kafka they stood."""

from dataclasses import dataclass
from typing import Self

from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics


@dataclass(frozen=True)
class WindowResult:
    """The metrics of one window in one revision.

    `start` and `end` are the window's bounds in milliseconds since the epoch; `consumed` counts the results since the
    process's start, this one included.
    """

    metrics: WindowMetrics
    start: int
    end: int
    partition: int
    offset: int
    consumed: int

    @classmethod
    def of(cls, metrics: WindowMetrics, partition: int, offset: int, consumed: int) -> Self:
        """Return the result of a decoded record."""
        start, end = parse_timestamp(metrics.window_start), parse_timestamp(metrics.window_end)
        return cls(metrics, start, end, partition, offset, consumed)
