"""Clients that wait for something from Kafka run their loop 20 times a second at most.

A client that needs newer metadata asks for it in each turn of its loop: a producer whose topic is gone, or whose
partition has no leader. Each request wakes the loop, so the next turn comes at once, which takes a whole core for as
long as that lasts. A request for metadata that is under way already need not wake the loop.

A consumer waits until its next commit or heartbeat is due. When one is due and can't be done, because the topic is gone
or the coordinator does not answer, it does not wait at all.

Written for kafka-python 3.0.
Upstream: none found; pull requests #2616 and #3084 (merged) fixed other busy loops.
Delete when a producer without its topic and a consumer without its coordinator take no CPU time without the patch.
"""

from collections.abc import Callable
from typing import Any

from kafka.cluster import ClusterMetadata
from kafka.coordinator.consumer import ConsumerCoordinator

from clickstream_kafka.patches import replace_method

_MIN_WAIT_S = 0.05


def apply() -> None:
    replace_method(ClusterMetadata, "request_update", _request_update_once)
    replace_method(ConsumerCoordinator, "time_to_next_poll", _wait_before_next_poll)


def _request_update_once(request_update: Callable[[Any], Any], cluster: Any) -> Any:
    with cluster._lock:
        requested = cluster._future
        if cluster._need_update and requested is not None and not requested.is_done:
            return requested
    return request_update(cluster)


def _wait_before_next_poll(time_to_next_poll: Callable[[Any], float], coordinator: Any) -> float:
    return max(_MIN_WAIT_S, time_to_next_poll(coordinator))
