"""A fetch that a broker answers at once with an error is followed by a pause.

A broker that can't read its own log answers at once with an error, and aiokafka asks again at once, a hundred times a
second. No record is skipped in this case: another broker may have what this one has lost. The pause grows to half a
second; other partitions of this broker wait as long.

Written for aiokafka 0.14.
Upstream: aiokafka #1155 (open), for partitions without a leader; pull request #1164 was closed without a merge.
Delete when aiokafka backs off after an error of a single partition.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher

from clickstream_kafka.patches import replace_method

_AT_ONCE_S = 0.1  # an answer that comes faster did not wait for records
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.05, 0.5


def apply() -> None:
    replace_method(Fetcher, "_proc_fetch_request", _fetch_and_pause)


async def _fetch_and_pause(
    fetch: Callable[..., Awaitable[bool]], fetcher: Any, assignment: Any, node_id: Any, request: Any
) -> bool:
    clock = asyncio.get_running_loop().time
    asked = clock()
    has_records = await fetch(fetcher, assignment, node_id, request)
    pauses = fetcher.__dict__.setdefault("pauses", {})
    if has_records or clock() - asked >= _AT_ONCE_S or not _is_stuck(assignment, request):
        pauses.pop(node_id, None)
        return has_records
    pause = pauses[node_id] = min(_MAX_PAUSE_S, max(_MIN_PAUSE_S, 2 * pauses.get(node_id, 0.0)))
    with suppress(asyncio.CancelledError):  # the partitions were revoked; aiokafka expects a result
        await asyncio.sleep(pause)
    return False


def _is_stuck(assignment: Any, request: Any) -> bool:
    """Whether some partition's position is still the one that was asked for, so that nothing of it was read."""
    if not assignment.active:
        return False
    for topic, partitions in request.topics:
        for partition, offset, _ in partitions:
            state = assignment.state_value(TopicPartition(topic, partition))
            if state is not None and state.has_valid_position and state.position == offset:
                return True
    return False
