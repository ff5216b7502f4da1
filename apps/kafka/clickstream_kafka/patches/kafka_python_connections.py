"""What kafka-python 3.0 does not do by itself: hear a broker out, wait between two turns, end what it has begun.

A broker that refuses a password says so and closes the connection, so the answer and the end of the stream often arrive
together. kafka-python reads both, takes the end for all there is and drops the answer: the refusal looks like a
connection that broke.

And who needs newer metadata asks for it at each turn of its loop, a producer while a topic is gone or no partition has
a leader. Asking wakes the loop, whose next turn therefore comes at once: a whole core for as long as that lasts. What
was asked for already need not wake anybody. Likewise a consumer waits no longer than until its next commit or heartbeat
is due; with one that is due and can't be done, because the topic is gone or the coordinator does not answer, it goes
round without waiting at all.

A group is joined in the background, and whoever polls looks at whether that is done while there is a reason to join.
The reason may be over before it is done: where the topic's partitions have changed, they are those of the assignment
then. If `poll` has not waited for so long, nobody looks any more, and the member stays without partitions and without
heartbeats.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

_SHORTEST_TURN = 0.05


@cache
def hear_last_words() -> None:
    """Make every connection of this process take what was received before it takes note of the end."""
    from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        transport._sock_recv = _hearing(transport._sock_recv)


@cache
def complete_joins() -> None:
    """Make consumers of this process take what joining their group has brought, however long it took."""
    from kafka.coordinator.consumer import ConsumerCoordinator

    ConsumerCoordinator.need_rejoin = _until_completed(ConsumerCoordinator.need_rejoin)


@cache
def pause_between_turns() -> None:
    """Make clients of this process that wait for something from Kafka go round 20 times a second at most."""
    from kafka.cluster import ClusterMetadata
    from kafka.coordinator.consumer import ConsumerCoordinator

    ClusterMetadata.request_update = _asking_once(ClusterMetadata.request_update)
    ConsumerCoordinator.time_to_next_poll = _not_at_once(ConsumerCoordinator.time_to_next_poll)


def _asking_once(ask: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(ask)
    def asking(cluster: Any) -> Any:
        with cluster._lock:
            asked = cluster._future
            if cluster._need_update and asked is not None and not asked.is_done:
                return asked
        return ask(cluster)

    return asking


def _until_completed(need_rejoin: Callable[[Any], bool]) -> Callable[[Any], bool]:
    @wraps(need_rejoin)
    def needing(coordinator: Any) -> bool:
        return getattr(coordinator, "_join_task", None) is not None or need_rejoin(coordinator)

    return needing


def _not_at_once(time_to_next_poll: Callable[[Any], float]) -> Callable[[Any], float]:
    @wraps(time_to_next_poll)
    def time_to_next(coordinator: Any) -> float:
        return max(_SHORTEST_TURN, time_to_next_poll(coordinator))

    return time_to_next


def _hearing(receive: Callable[[Any], tuple[bytes, Any]]) -> Callable[[Any], tuple[bytes, Any]]:
    @wraps(receive)
    def hearing(transport: Any) -> tuple[bytes, Any]:
        data, error = receive(transport)
        return data, None if data else error  # the next call meets the end once more

    return hearing
