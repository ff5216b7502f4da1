"""The progress of a generating process, as it reports it."""

from dataclasses import dataclass, replace
from enum import IntEnum

LATENCY_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the delivery latency's buckets; one more bucket has what took longer."""


class Condition(IntEnum):
    """The state of a process and its connection to Kafka; larger is worse."""

    RUNNING = 0
    AWAY = 1
    PAUSED = 2
    CONNECTING = 3


@dataclass(frozen=True)
class Progress:
    """Counts since the start of one process, or the sum over several.

    `accepted` events were passed to the Kafka client; of these `acknowledged` are in Kafka, `failed` were refused for
    good, and the rest is in flight. `why` is why Kafka does not acknowledge, `error` why the process has stopped.
    `latencies` counts acknowledged events by bucket of LATENCY_BOUNDS_S; `latency_sum` is in seconds.
    """

    condition: Condition = Condition.CONNECTING
    why: str = "connecting to Kafka"
    accepted: int = 0
    acknowledged: int = 0
    failed: int = 0
    bound: int = 0
    partition: int = 0
    offset: int = 0
    latencies: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS_S) + 1)
    latency_sum: float = 0.0
    finished: bool = False
    error: str = ""

    @property
    def in_flight(self) -> int:
        """Events accepted, but neither acknowledged nor refused."""
        return self.accepted - self.acknowledged - self.failed


def total(parts: list[Progress]) -> Progress:
    """Return the sum of `parts`, with the worst condition, its reason, and the first error."""
    worst = max(parts, key=lambda part: part.condition)
    latest = max(parts, key=lambda part: part.acknowledged)
    return replace(
        latest,
        condition=worst.condition,
        why=worst.why,
        accepted=sum(part.accepted for part in parts),
        acknowledged=sum(part.acknowledged for part in parts),
        failed=sum(part.failed for part in parts),
        bound=sum(part.bound for part in parts),
        latencies=tuple(sum(counts) for counts in zip(*(part.latencies for part in parts), strict=True)),
        latency_sum=sum(part.latency_sum for part in parts),
        finished=all(part.finished for part in parts),
        error=next((part.error for part in parts if part.error), ""),
    )
