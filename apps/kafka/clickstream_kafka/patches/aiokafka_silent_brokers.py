"""Requests to a broker that hangs (its connections stay open, it answers nothing) time out soon.

A broker that died is detected at once, because its connections break. One that hangs is replaced by the controller
after 9 s as well, but aiokafka waits 40 s for an answer and then asks the same broker again: for metadata, for
coordinators, for a new connection, one caller after the other. That adds up to minutes, and one partition that waits
holds up all windows.

With this patch an answer may take 5 s. A broker answers in order, so the connection is closed and all requests on it
fail as timed out, which aiokafka retries, soon with the broker's successor. From then on the broker is suspect: it gets
2 s for an answer or a new connection, until a connection succeeds or half a minute has passed. During this time one
client at a time tries to connect, and the others use other brokers at once; a client that is starting knows no others
yet and tries too. An address where connecting timed out stays suspect in that respect for half a minute: there may be
several brokers behind it, one of which hangs.

A broker that was only paused costs new connections; it recognises records that are sent again by their sequence number.
To a slow broker, or over a slow line, requests would always time out, so each retry of a request that timed out gets
twice the time, up to aiokafka's 40 s, until an answer arrives within 5 s.

Written for aiokafka 0.14.
Upstream: aiokafka #1145 (open) describes it for the coordinators of transactions.
Delete when aiokafka closes a connection whose requests time out and asks another broker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, RequestTimedOutError
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

from clickstream_kafka.patches import replace_method

_ANSWER_TIMEOUT_S = 5.0
_REBALANCE_TIMEOUT_S = 15.0
"""A member that joins is answered when the others have joined, at the latest after the rebalance timeout of 10 s."""

_CONNECT_TIMEOUT_S = 10.0
_SUSPECT_TIMEOUT_S = 2.0
_SUSPECT_FOR_S = 30.0
_MAX_ANSWER_TIMEOUT_S = 40.0  # what aiokafka allows for an answer

_Address = tuple[str, int]
_Method = Callable[..., Awaitable[Any]]


class _Brokers:
    """Which brokers are suspect, and which need longer for which request. Times are in seconds."""

    def __init__(self) -> None:
        self._suspect_since: dict[_Address, float] = {}
        self._timeouts: dict[tuple[_Address, type], float] = {}
        self._connect_timed_out_at: dict[_Address, float] = {}
        self._connecting: set[_Address] = set()

    def timeout_for(self, connection: Any, request: Any) -> float:
        rebalances = isinstance(request, (JoinGroupRequest, SyncGroupRequest))
        if not rebalances and self.is_suspect(connection):
            return _SUSPECT_TIMEOUT_S
        usual = _REBALANCE_TIMEOUT_S if rebalances else _ANSWER_TIMEOUT_S
        return self._timeouts.get((_address(connection), type(request)), usual)

    def answered(self, connection: Any, request: Any, seconds: float) -> None:
        """Note an answer. If it was quick, the next one has the usual time again."""
        if self._timeouts and seconds < _ANSWER_TIMEOUT_S:
            self._timeouts.pop((_address(connection), type(request)), None)

    def timed_out(self, connection: Any, request: Any, seconds: float) -> None:
        """Suspect the broker; once it is not suspect any more, the same request has twice the time."""
        if not self.is_suspect(connection):
            self._timeouts[_address(connection), type(request)] = min(2 * seconds, _MAX_ANSWER_TIMEOUT_S)
        self.suspect(connection)

    def is_suspect(self, connection: Any) -> bool:
        """Whether the broker left a request unanswered within the last 30 s, and no connection has succeeded since."""
        return time.monotonic() - self._suspect_since.get(_address(connection), float("-inf")) < _SUSPECT_FOR_S

    def suspect(self, connection: Any) -> None:
        """Suspect the broker for 30 s; one that already is a suspect is not suspect for longer."""
        if not self.is_suspect(connection):
            self._suspect_since[_address(connection)] = time.monotonic()

    @contextmanager
    def connecting(self, connection: Any) -> Iterator[float]:
        """Yield the time for connecting. Raises KafkaConnectionError while another client tries a suspect."""
        address = _address(connection)
        timed_out = time.monotonic() - self._connect_timed_out_at.get(address, float("-inf")) < _SUSPECT_FOR_S
        if not timed_out and not self.is_suspect(connection):
            yield _CONNECT_TIMEOUT_S
        elif connection._on_close_cb is None:  # of a client that is starting
            yield _SUSPECT_TIMEOUT_S
        elif address in self._connecting:
            raise KafkaConnectionError(f"{connection.host}:{connection.port} does not answer at the moment")
        else:
            self._connecting.add(address)
            try:
                yield _SUSPECT_TIMEOUT_S
            finally:
                self._connecting.discard(address)

    def connect_timed_out(self, connection: Any) -> None:
        """Suspect a broker to which connecting took too long."""
        self._connect_timed_out_at[_address(connection)] = time.monotonic()
        self.suspect(connection)

    def connected(self, connection: Any) -> None:
        """Clear the suspicion that the broker leaves requests unanswered."""
        self._suspect_since.pop(_address(connection), None)


def apply() -> None:
    brokers = _Brokers()
    replace_method(AIOKafkaConnection, "send", partial(_send, brokers))
    replace_method(AIOKafkaConnection, "connect", partial(_connect, brokers))


def _send(
    brokers: _Brokers, send: _Method, connection: Any, request: Any, *arguments: Any, **options: Any
) -> Awaitable[Any]:
    # The request is sent at once, not when its answer is awaited.
    return _answered_in_time(brokers, connection, request, send(connection, request, *arguments, **options))


async def _answered_in_time(brokers: _Brokers, connection: Any, request: Any, answer: Awaitable[Any]) -> Any:
    timeout, asked = brokers.timeout_for(connection, request), time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            found = await answer
    except TimeoutError:
        brokers.timed_out(connection, request, timeout)
        connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise
    except KafkaConnectionError as error:
        if brokers.is_suspect(connection):  # closed above, for another request
            raise RequestTimedOutError(f"{connection.host}:{connection.port} does not answer") from error
        raise
    brokers.answered(connection, request, time.monotonic() - asked)
    return found


async def _connect(brokers: _Brokers, connect: _Method, connection: Any) -> Any:
    try:
        with brokers.connecting(connection) as timeout:
            async with asyncio.timeout(timeout):
                connected = await connect(connection)
    except TimeoutError:
        brokers.connect_timed_out(connection)
        raise
    brokers.connected(connection)
    return connected


def _address(connection: Any) -> _Address:
    return connection.host, connection.port
