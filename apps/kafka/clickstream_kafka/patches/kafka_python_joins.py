"""A consumer completes a join of its group, however long it took.

A group is joined in the background, and `poll` looks for the result only while there is a reason to join. The reason
may be gone before the join is done: when the topic's partitions have changed, the assignment has them by then. If
`poll` has not waited that long, the result is never taken, and the member stays without partitions and without
heartbeats.

Written for kafka-python 3.0.
Upstream: kafka-python pull request #2617 (merged) fixed a similar race; none found for this one.
Delete when `ConsumerCoordinator.need_rejoin` is true while a join is under way.
"""

from collections.abc import Callable
from typing import Any

from kafka.coordinator.consumer import ConsumerCoordinator

from clickstream_kafka.patches import replace_method


def apply() -> None:
    replace_method(ConsumerCoordinator, "need_rejoin", _needs_rejoin_or_is_joining)


def _needs_rejoin_or_is_joining(need_rejoin: Callable[[Any], bool], coordinator: Any) -> bool:
    return getattr(coordinator, "_join_task", None) is not None or need_rejoin(coordinator)
