"""Giving up a broker that hangs: its connections stay open, and nothing is answered.

A broker that died is noticed at once, for its connections break. One that hangs is replaced by the controller after
9 s as well, but aiokafka waits 40 s for an answer, and then asks the same broker again: for metadata, for coordinators,
for a new connection, one waiter after the other. That adds up to minutes, and one partition that waits holds up all
windows.

So here an answer has 5 s. A broker answers in order: what waits behind an unanswered request is not answered either, so
the connection is closed and all of it fails as timed out, which aiokafka retries, soon with the broker's successor. The
broker is suspected from then on: it gets 2 s to answer or to let somebody in, until it let somebody in or half a minute
has passed. Meanwhile one at a time tries whether it lets somebody in, and the others look to the other brokers at once;
a client that only begins has no others yet and tries for itself. An address that has left somebody at the door stays
suspicious of that for half a minute, whoever it lets in: there may be several brokers behind it, one of which hangs.

A broker that only pauses costs new connections, and what is sent again is known by its producer's sequence
number. One that is slow, or behind a slow line, would never be heard out: so a request that was given up has twice the
time when it is asked again, up to aiokafka's 40 s, until an answer comes within 5 s.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
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

_MOST_PATIENCE = 40.0
"""What aiokafka allows for an answer."""

_Address = tuple[str, int]


class _Brokers:
    """What is remembered of the brokers: who left somebody without an answer, and who needs longer for what."""

    def __init__(self) -> None:
        self._suspected_since: dict[_Address, float] = {}
        self._slow: dict[tuple[_Address, type], float] = {}
        self._kept_out_at: dict[_Address, float] = {}
        self._tried: set[_Address] = set()

    def time_for(self, connection: Any, request: Any) -> float:
        """Return how many seconds the answer may take."""
        rebalances = isinstance(request, (JoinGroupRequest, SyncGroupRequest))
        if not rebalances and self.suspects(connection):
            return _LONGEST_OF_SUSPECT
        usual = _LONGEST_REBALANCE if rebalances else _LONGEST_ANSWER
        return self._slow.get((_address(connection), type(request)), usual)

    def answered(self, connection: Any, request: Any, seconds: float) -> None:
        """Take note of an answer. When it was quick, the next one has the usual time again."""
        if self._slow and seconds < _LONGEST_ANSWER:
            self._slow.pop((_address(connection), type(request)), None)

    def left_unanswered(self, connection: Any, request: Any, seconds: float) -> None:
        """Suspect the broker; if it answers anything later, the same request has twice the time then."""
        if not self.suspects(connection):
            self._slow[_address(connection), type(request)] = min(2 * seconds, _MOST_PATIENCE)
        self.suspect(connection)

    def suspects(self, connection: Any) -> bool:
        """Whether the broker has left somebody without an answer not long ago, and has let nobody in since."""
        return time.monotonic() - self._suspected_since.get(_address(connection), float("-inf")) < _SUSPECTED_FOR

    def suspect(self, connection: Any) -> None:
        """Suspect the broker; for half a minute from the first time on, not for ever again."""
        if not self.suspects(connection):
            self._suspected_since[_address(connection)] = time.monotonic()

    @contextmanager
    def trying(self, connection: Any) -> Iterator[float]:
        """Give the seconds for connecting. Raises KafkaConnectionError when somebody tries a suspect already."""
        address = _address(connection)
        kept_out = time.monotonic() - self._kept_out_at.get(address, float("-inf")) < _SUSPECTED_FOR
        if not kept_out and not self.suspects(connection):
            yield _LONGEST_CONNECT
        elif connection._on_close_cb is None:  # a client that begins
            yield _LONGEST_OF_SUSPECT
        elif address in self._tried:
            raise KafkaConnectionError(f"{connection.host}:{connection.port} does not answer at the moment")
        else:
            self._tried.add(address)
            try:
                yield _LONGEST_OF_SUSPECT
            finally:
                self._tried.discard(address)

    def kept_out(self, connection: Any) -> None:
        """Suspect a broker that let nobody in."""
        self._kept_out_at[_address(connection)] = time.monotonic()
        self.suspect(connection)

    def let_in(self, connection: Any) -> None:
        """Suspect the broker no longer of leaving requests unanswered."""
        self._suspected_since.pop(_address(connection), None)


def give_up_silent_brokers() -> None:
    """Make all connections of this process be closed when they are not answered."""
    brokers = _Brokers()
    AIOKafkaConnection.send = _answered_in_time(AIOKafkaConnection.send, brokers)
    AIOKafkaConnection.connect = _connected_in_time(AIOKafkaConnection.connect, brokers)


def _answered_in_time(send: Callable[..., Awaitable[Any]], brokers: _Brokers) -> Callable[..., Awaitable[Any]]:
    async def answered(connection: Any, request: Any, answer: Awaitable[Any]) -> Any:
        longest, asked = brokers.time_for(connection, request), time.monotonic()
        try:
            async with asyncio.timeout(longest):
                found = await answer
        except TimeoutError:
            brokers.left_unanswered(connection, request, longest)
            connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise
        except KafkaConnectionError as error:
            if brokers.suspects(connection):  # closed above, for another request
                raise RequestTimedOutError(f"{connection.host}:{connection.port} does not answer") from error
            raise
        brokers.answered(connection, request, time.monotonic() - asked)
        return found

    @wraps(send)
    def sending(connection: Any, request: Any, *arguments: Any, **options: Any) -> Awaitable[Any]:
        return answered(connection, request, send(connection, request, *arguments, **options))

    return sending


def _connected_in_time(connect: Callable[..., Awaitable[Any]], brokers: _Brokers) -> Callable[..., Awaitable[Any]]:
    @wraps(connect)
    async def connecting(connection: Any) -> Any:
        try:
            with brokers.trying(connection) as longest:
                async with asyncio.timeout(longest):
                    connected = await connect(connection)
        except TimeoutError:
            brokers.kept_out(connection)
            raise
        brokers.let_in(connection)
        return connected

    return connecting


def _address(connection: Any) -> _Address:
    return connection.host, connection.port
