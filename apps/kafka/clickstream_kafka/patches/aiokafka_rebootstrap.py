"""A client whose brokers have all moved finds them again by its bootstrap servers.

aiokafka asks the bootstrap servers once, when a client starts. When all brokers that it knows then are gone for good (a
node pool was replaced, the cluster was recreated, a NodePort changed), it asks them forever. Java's clients ask the
bootstrap servers again since Kafka 4.0 (KIP-899, and KIP-1102 for brokers that accept connections and do not answer:
`metadata.recovery.strategy=rebootstrap`).

With this patch a task watches each client. Any answer of a known broker counts; an accepted connection does not,
because the old address may belong to another program by now, and a stopped process accepts connections too. After half
of `AFTER_S` without an answer the client is made to ask for metadata. After `AFTER_S` all bootstrap servers are asked
at the same time, with their names resolved again, and again every quarter of it until one answers. That answer becomes
the client's metadata, and connections to brokers that are elsewhere now are closed, attempts to connect included (each
may take 40 s, and they wait for each other). Requests on them fail as on any broken connection and are sent again to
the present leaders. The client stays the same object: an idempotent producer keeps its id and its sequence numbers, so
nothing is lost or written twice. The connections of a broker that was only paused stay.

Written for aiokafka 0.14.
Upstream: aiokafka #456 (closed, not fixed for a running client).
Delete when aiokafka implements KIP-899 and KIP-1102.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from clickstream_core.log_throttle import LogThrottle
from clickstream_kafka.patches import replace_method

AFTER_S = 12.0  # without an answer from any known broker
_ANSWER_TIMEOUT_S = 10.0  # for connecting to a bootstrap server and its answer

_CONNECTION_SETTINGS = (
    *("client_id", "request_timeout_ms", "ssl_context", "security_protocol"),
    *("sasl_mechanism", "sasl_plain_username", "sasl_plain_password"),
)
_Method = Callable[..., Coroutine[Any, Any, Any]]
_log = logging.getLogger(__name__)


def apply(after_s: float = AFTER_S) -> None:
    """Watch every client of this process; what several of them find is logged once."""
    throttle = LogThrottle()
    replace_method(AIOKafkaConnection, "_handle_frame", _handle_and_record)
    replace_method(AIOKafkaClient, "_get_conn", _connect_unless_brokers_move)
    replace_method(AIOKafkaClient, "bootstrap", partial(_bootstrap_and_watch, after_s, throttle))
    replace_method(AIOKafkaClient, "close", _close_and_end_watch)


class _Watch:
    def __init__(self, client: Any, after_s: float, throttle: LogThrottle) -> None:
        self._client = client
        self._after_s = after_s
        self._throttle = throttle
        self._answered_at = client._loop.time()
        self.connecting: dict[asyncio.Task[Any], tuple[Any, Any]] = {}
        """Attempts to connect: to which node, and its address at that time."""
        self.task = asyncio.create_task(self._run(), name="rebootstrap")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._after_s / 4)
            silence = self._seconds_without_answer()
            if silence < self._after_s / 2:
                continue
            if silence < self._after_s:
                self._client.force_metadata_update()
                continue
            try:
                await self._rebootstrap(silence)
            except Exception:
                _log.exception("Could not ask the bootstrap servers again; trying again")

    def _seconds_without_answer(self) -> float:
        """Since any known broker has answered any request."""
        answers = (getattr(connection, "answered_at", 0.0) for connection in self._client._conns.values())
        self._answered_at = max(self._answered_at, *answers, 0.0)
        return float(self._client._loop.time() - self._answered_at)

    async def _rebootstrap(self, silence: float) -> None:
        metadata = await self._first_answer()
        if metadata is None or self._seconds_without_answer() < self._after_s:
            return
        client = self._client
        known = _addresses(client)
        client.cluster.update_metadata(metadata)
        now = client._loop.time()
        moved = [connection for (node, _), connection in client._conns.items() if self._has_moved(node, connection)]
        given_up = [attempt for attempt, (node, address) in self.connecting.items() if self._has_moved(node, address)]
        if not moved and not given_up and known == _addresses(client):
            self._answered_at = now - self._after_s / 2  # ask again soon
            return
        self._answered_at = now
        for attempt in given_up:
            attempt.cancel()
        for connection in moved:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
        client.force_metadata_update()
        found = ", ".join(sorted(f"{host}:{port}" for host, port in _addresses(client)))
        if self._throttle.allow(found, now):
            _log.warning("No known broker has answered for %.0f s; the bootstrap servers name %s", silence, found)

    def _has_moved(self, node: Any, place: Any) -> bool:
        """Whether the node's address is another one now than that of a connection, or than the one known before."""
        now = self._client.cluster.broker_metadata(node)
        if now is None or place is None:
            return bool(node != "bootstrap")  # aiokafka's name for a connection that it keeps until it knows brokers
        return bool((now.host, now.port) != (place.host, place.port))

    async def _first_answer(self) -> Any:
        """Return the metadata of the first bootstrap server that answers in time; None when none does."""
        questions = {asyncio.create_task(self._ask(host, port)) for host, port, _ in self._client.hosts}
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                for answer in asyncio.as_completed(questions):
                    metadata = await answer
                    if metadata is not None:
                        return metadata
        except TimeoutError:
            _log.debug("no bootstrap server has answered within %.0f s", _ANSWER_TIMEOUT_S)
        finally:
            for question in questions:
                question.cancel()
        return None

    async def _ask(self, host: str, port: int) -> Any:
        client = self._client
        try:
            connection = await create_conn(
                host, port, **{name: getattr(client, f"_{name}") for name in _CONNECTION_SETTINGS}
            )
            try:
                metadata = await connection.send(MetadataRequest(list(client._topics) or None))
            finally:
                connection.close()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.debug("%s:%s returned no metadata: %r", host, port, error)
        except Exception as error:
            _log.debug("%s:%s does not speak the Kafka protocol: %r", host, port, error)
        else:
            return metadata if metadata.brokers else None
        return None


def _addresses(client: Any) -> set[tuple[str, int]]:
    return {(broker.host, broker.port) for broker in client.cluster.brokers()}


def _handle_and_record(handle: Callable[..., None], connection: Any, frame: bytes) -> None:
    handle(connection, frame)
    connection.answered_at = connection._loop.time()


async def _connect_unless_brokers_move(
    get: _Method,
    client: Any,
    node_id: Any,
    *,
    group: ConnectionGroup = ConnectionGroup.DEFAULT,
    no_hint: bool = False,
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
    except Exception as error:  # aiokafka expects its own; another protocol may cause a ValueError
        _log.error("Node %s does not speak the Kafka protocol: %r", node_id, error)
        client.force_metadata_update()
        return None


async def _bootstrap_and_watch(after_s: float, throttle: LogThrottle, bootstrap: _Method, client: Any) -> None:
    await bootstrap(client)
    if getattr(client, "rebootstrap_watch", None) is None:
        client.rebootstrap_watch = _Watch(client, after_s, throttle)


async def _close_and_end_watch(close: _Method, client: Any) -> None:
    watch = getattr(client, "rebootstrap_watch", None)
    if watch is not None:
        client.rebootstrap_watch = None
        watch.task.cancel()
    await close(client)
