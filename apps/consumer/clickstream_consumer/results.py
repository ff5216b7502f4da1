"""A window's result as it arrived: the numbers, and their position in Kafka."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from clickstream_core.timestamps import parse_timestamp
from clickstream_core.window_metrics import WindowMetrics

USUAL_EVENT_TYPES = ("page_view", "click", "add_to_cart", "purchase", "search")
USUAL_DEVICES = ("mobile", "desktop", "tablet")
OTHER = "other"


@dataclass(frozen=True)
class WindowResult:
    """The metrics of one window in one revision.

    `start` and `end` are the window's bounds in milliseconds since the epoch; `consumed` counts the results since the
    process's start, this one included. `receipt` is the header's JSON, None without a valid one.
    """

    metrics: WindowMetrics
    start: int
    end: int
    partition: int
    offset: int
    consumed: int
    receipt: bytes | None = None

    @classmethod
    def of(
        cls, metrics: WindowMetrics, partition: int, offset: int, consumed: int, receipt: bytes | None = None
    ) -> Self:
        start, end = parse_timestamp(metrics.window_start), parse_timestamp(metrics.window_end)
        return cls(metrics, start, end, partition, offset, consumed, receipt)


def by_usual_name(counts: Mapping[str, int], names: tuple[str, ...]) -> dict[str, int]:
    """Return the counts of `names`, 0 where there is none, and the sum of all others as OTHER.

    Senders choose the names of event types and devices, so only the usual ones (docs/records.md) get a time series or
    a column of their own.
    """
    known = {name: counts.get(name, 0) for name in names}
    return known | {OTHER: sum(counts.values()) - sum(known.values())}
