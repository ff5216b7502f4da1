"""Giving up a broker that hangs: its connections stay open, and nothing is answered.

A broker that died is noticed at once, for its connections break. One that hangs is replaced by the controller after
9 s as well, but aiokafka waits 40 s for an answer, and then asks the same broker again: for metadata, for coordinators,
for a new connection, one waiter after the other. That adds up to minutes, and one partition that waits holds up all
windows.

So here an answer has 5 s. A broker answers in order: what waits behind an unanswered request is not answered either, so
the connection is closed and all of it fails as timed out, which aiokafka retries, soon with the broker's successor. The
broker is suspected from then on: it gets 2 s to answer or to let somebody in, until it let somebody in or half a minute
has passed. A broker that only pauses costs new connections, and what is sent again is known by its producer's sequence
number.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

_LONGEST_ANSWER = 5.0
_LONGEST_REBALANCE = 15.0
"""Who joins a group is answered when the others are there: at the latest after the rebalance timeout of 10 s."""

_LONGEST_CONNECT = 10.0
_LONGEST_OF_SUSPECT = 2.0
_SUSPECTED_FOR = 30.0


class _Suspects:
    """The brokers that have left somebody without an answer, by address."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, int], float] = {}

    def __contains__(self, connection: Any) -> bool:
        return time.monotonic() - self._since.get(_address(connection), float("-inf")) < _SUSPECTED_FOR

    def add(self, connection: Any) -> None:
        """Suspect the connection's broker; for half a minute from the first time on, not for ever again."""
        if connection not in self:
            self._since[_address(connection)] = time.monotonic()

    def trust(self, connection: Any) -> None:
        """Suspect it no longer."""
        self._since.pop(_address(connection), None)


def give_up_silent_brokers() -> None:
    """Make all connections of this process be closed when they are not answered."""
    suspects = _Suspects()
    AIOKafkaConnection.send = _answered_in_time(AIOKafkaConnection.send, suspects)
    AIOKafkaConnection.connect = _connected_in_time(AIOKafkaConnection.connect, suspects)


def _answered_in_time(send: Callable[..., Awaitable[Any]], suspects: _Suspects) -> Callable[..., Awaitable[Any]]:
    async def answered(connection: Any, answer: Awaitable[Any], longest: float) -> Any:
        try:
            async with asyncio.timeout(longest):
                return await answer
        except TimeoutError:
            suspects.add(connection)
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise
        except KafkaConnectionError as error:
            if connection in suspects:  # closed above, for another request
                raise RequestTimedOutError(f"{connection.host}:{connection.port} does not answer") from error
            raise

    @wraps(send)
    def sending(connection: Any, request: Any, *arguments: Any, **options: Any) -> Awaitable[Any]:
        longest = _LONGEST_OF_SUSPECT if connection in suspects else _LONGEST_ANSWER
        if isinstance(request, (JoinGroupRequest, SyncGroupRequest)):
            longest = _LONGEST_REBALANCE
        return answered(connection, send(connection, request, *arguments, **options), longest)

    return sending


def _connected_in_time(connect: Callable[..., Awaitable[Any]], suspects: _Suspects) -> Callable[..., Awaitable[Any]]:
    @wraps(connect)
    async def connecting(connection: Any) -> Any:
        try:
            async with asyncio.timeout(_LONGEST_OF_SUSPECT if connection in suspects else _LONGEST_CONNECT):
                connected = await connect(connection)
        except TimeoutError:
            suspects.add(connection)
            raise
        suspects.trust(connection)
        return connected

    return connecting


def _address(connection: Any) -> tuple[str, int]:
    return connection.host, connection.port
