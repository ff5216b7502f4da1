"""Finding brokers again that have moved, with aiokafka 0.14.

aiokafka asks the bootstrap servers once, when a client starts; from then on it asks the brokers that it knows. When all
of these are gone for good (a node pool was replaced, the cluster was made again, a NodePort changed), it asks them for
ever. Java's clients begin again from the bootstrap servers since Kafka 4.0 (KIP-899, and KIP-1102 for brokers that
accept connections and say nothing: `metadata.recovery.strategy=rebootstrap`); aiokafka has nothing like it.

So each client is watched. What counts is an answer, to any question, by a broker that it knows: a connection that is
accepted says nothing, for the old address may belong to somebody else by now, and a stopped process accepts connections
too. Who is silent for half of `AFTER` is asked for metadata. After `AFTER` all bootstrap servers are asked at the same
time, with their names resolved anew, and again every quarter of it until one answers. That answer is the client's
metadata from then on. Connections to brokers that are elsewhere now are closed, attempts to make one included (each may
take 40 s, and they wait for each other), and what was under way on them fails as on any connection that broke: it is
sent again to whoever has the partition now. The client stays the same object, so an idempotent producer keeps its id
and its sequence numbers, and nothing is lost or written twice. A broker that was only paused is where it was: its
connections stay, for what it was asked before the pause it will do yet.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import cache, wraps
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from clickstream_core.log_throttle import LogThrottle

AFTER = 12.0
"""Seconds without an answer from any known broker after which a client begins again."""

_LONGEST_ANSWER = 10.0
"""Seconds that a bootstrap server has to let a client in and tell of the cluster."""

_log = logging.getLogger(__name__)


@cache
def rebootstrap_in_aiokafka() -> None:
    """Have every aiokafka client of this process, of which several share a line in the log, find moved brokers."""
    install(AFTER)


def install(after: float) -> None:
    """As `rebootstrap_in_aiokafka`, after so many seconds without an answer."""
    throttle = LogThrottle()
    AIOKafkaConnection._handle_frame = _noting_answers(AIOKafkaConnection._handle_frame)
    AIOKafkaClient._get_conn = _given_up_when_brokers_move(AIOKafkaClient._get_conn)
    AIOKafkaClient.bootstrap = _watched(AIOKafkaClient.bootstrap, after, throttle)
    AIOKafkaClient.close = _unwatched(AIOKafkaClient.close)


class _Watch:
    """Looks after one client."""

    def __init__(self, client: Any, after: float, throttle: LogThrottle) -> None:
        self._client = client
        self._after = after
        self._throttle = throttle
        self._heard_at = client._loop.time()
        self.connecting: dict[asyncio.Task[Any], tuple[Any, Any]] = {}
        """Attempts to connect: to which node, and what was known of it."""
        self.task = asyncio.create_task(self._run(), name="rebootstrap")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._after / 4)
            silence = self._silence()
            if silence < self._after / 2:
                continue
            if silence < self._after:
                self._client.force_metadata_update()
                continue
            try:
                await self._begin_again(silence)
            except Exception:
                _log.exception("Could not begin again from the bootstrap servers; trying again")

    def _silence(self) -> float:
        """Seconds since a broker that the client is connected to has answered anything."""
        answers = (getattr(connection, "answered_at", 0.0) for connection in self._client._conns.values())
        self._heard_at = max(self._heard_at, *answers, 0.0)
        return float(self._client._loop.time() - self._heard_at)

    async def _begin_again(self, silence: float) -> None:
        metadata = await self._first_answer()
        if metadata is None or self._silence() < self._after:
            return
        client = self._client
        known = _addresses(client)
        client.cluster.update_metadata(metadata)
        now = client._loop.time()
        moved = [connection for (node, _), connection in client._conns.items() if self._has_moved(node, connection)]
        given_up = [attempt for attempt, (node, address) in self.connecting.items() if self._has_moved(node, address)]
        if not moved and not given_up and known == _addresses(client):
            self._heard_at = now - self._after / 2  # they are asked again soon
            return
        self._heard_at = now
        for attempt in given_up:
            attempt.cancel()
        for connection in moved:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
        client.force_metadata_update()
        found = ", ".join(sorted(f"{host}:{port}" for host, port in _addresses(client)))
        if self._throttle.allow(found, now):
            _log.warning("No known broker has answered for %.0f s; the bootstrap servers name %s", silence, found)

    def _has_moved(self, node: Any, place: Any) -> bool:
        """Whether the node is elsewhere now than a connection to it leads, or than was known of it before."""
        now = self._client.cluster.broker_metadata(node)
        if now is None or place is None:
            return bool(node != "bootstrap")  # aiokafka's name for a connection that it keeps until it knows brokers
        return bool((now.host, now.port) != (place.host, place.port))

    async def _first_answer(self) -> Any:
        """Return what the first bootstrap server that answers in time says of the cluster; None when none does."""
        questions = {asyncio.create_task(self._ask(host, port)) for host, port, _ in self._client.hosts}
        try:
            async with asyncio.timeout(_LONGEST_ANSWER):
                for answer in asyncio.as_completed(questions):
                    metadata = await answer
                    if metadata is not None:
                        return metadata
        except TimeoutError:
            _log.debug("no bootstrap server has answered within %.0f s", _LONGEST_ANSWER)
        finally:
            for question in questions:
                question.cancel()
        return None

    async def _ask(self, host: str, port: int) -> Any:
        client = self._client
        try:
            connection = await create_conn(
                host,
                port,
                client_id=client._client_id,
                request_timeout_ms=client._request_timeout_ms,
                ssl_context=client._ssl_context,
                security_protocol=client._security_protocol,
                sasl_mechanism=client._sasl_mechanism,
                sasl_plain_username=client._sasl_plain_username,
                sasl_plain_password=client._sasl_plain_password,
            )
            try:
                metadata = await connection.send(MetadataRequest(list(client._topics) or None))
            finally:
                connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.debug("%s:%s does not tell of the cluster: %r", host, port, error)
        except Exception as error:
            _log.debug("%s:%s does not speak Kafka's language: %r", host, port, error)
        else:
            return metadata if metadata.brokers else None
        return None


def _addresses(client: Any) -> set[tuple[str, int]]:
    return {(broker.host, broker.port) for broker in client.cluster.brokers()}


def _noting_answers(handle: Callable[..., None]) -> Callable[..., None]:
    @wraps(handle)
    def handling(connection: Any, frame: bytes) -> None:
        handle(connection, frame)
        connection.answered_at = connection._loop.time()

    return handling


def _given_up_when_brokers_move(get: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @wraps(get)
    async def getting(
        client: Any, node_id: Any, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> Any:
        watch = getattr(client, "rebootstrap_watch", None)
        connection = client._conns.get((node_id, group))
        if watch is None or (connection is not None and connection.connected()):
            return await get(client, node_id, group=group, no_hint=no_hint)
        attempt = asyncio.create_task(get(client, node_id, group=group, no_hint=no_hint))
        watch.connecting[attempt] = node_id, client.cluster.broker_metadata(node_id)
        attempt.add_done_callback(lambda ended: watch.connecting.pop(ended, None))
        try:
            await asyncio.wait((attempt,))
        finally:
            attempt.cancel()
        if attempt.cancelled():
            return None
        try:
            return attempt.result()
        except Exception as error:  # aiokafka expects only its own; nonsense may be answered with a ValueError
            _log.error("Node %s does not speak Kafka's language: %r", node_id, error)
            client.force_metadata_update()
            return None

    return getting


def _watched(
    bootstrap: Callable[..., Coroutine[Any, Any, None]], after: float, throttle: LogThrottle
) -> Callable[..., Any]:
    @wraps(bootstrap)
    async def bootstrapping(client: Any) -> None:
        await bootstrap(client)
        if getattr(client, "rebootstrap_watch", None) is None:
            client.rebootstrap_watch = _Watch(client, after, throttle)

    return bootstrapping


def _unwatched(close: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    @wraps(close)
    async def closing(client: Any) -> None:
        watch = getattr(client, "rebootstrap_watch", None)
        if watch is not None:
            client.rebootstrap_watch = None
            watch.task.cancel()
        await close(client)

    return closing
