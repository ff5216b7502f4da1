"""Finding brokers again that have moved, with kafka-python 3.0.

The same as `aiokafka_rebootstrap` describes, for kafka-python: its manager of connections asks the bootstrap servers
once and then only the brokers that it knows (KIP-899 and KIP-1102 are what Java's clients do instead). Each manager is
watched by a task in its own event loop, which is the thread that moves everything of the client. When no known broker
has answered for `AFTER` seconds, one bootstrap server after the other is asked, each name resolved anew, until one
tells of the cluster. Then connections to brokers that are elsewhere now are closed, and what kafka-python remembers
about the brokers of before is forgotten: how long it will not try them, and that one of them has refused the password,
which it would answer with for ever. A producer sends again what was under way, under the same sequence numbers.
"""

import logging
import random
import time
from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager

from clickstream_core.log_throttle import LogThrottle

AFTER = 12.0
"""Seconds without an answer from any known broker after which a client begins again."""

_LONGEST_ANSWER_MS = 5_000
"""Milliseconds that a bootstrap server has to let a client in, and to tell of the cluster."""

_log = logging.getLogger(__name__)


@cache
def rebootstrap_in_kafka_python() -> None:
    """Have every kafka-python client of this process, of which several share a line in the log, find moved brokers."""
    install(AFTER)


def install(after: float) -> None:
    """As `rebootstrap_in_kafka_python`, after so many seconds without an answer."""
    throttle = LogThrottle()
    KafkaConnection._maybe_throttle = _noting_answers(KafkaConnection._maybe_throttle)
    KafkaConnectionManager.__init__ = _watched(KafkaConnectionManager.__init__, after, throttle)


class _Watch:
    """Looks after the connections of one client."""

    def __init__(self, manager: Any, after: float, throttle: LogThrottle) -> None:
        self._manager = manager
        self._after = after
        self._throttle = throttle
        self._heard_at = time.monotonic()

    async def run(self) -> None:
        """Watch until the client is closed."""
        manager = self._manager
        while not manager.closed:
            await manager._net.sleep(self._after / 4)
            if not manager.cluster.brokers():  # still in search of the first one
                self._heard_at = time.monotonic()
                continue
            silence = self._silence()
            if silence >= self._after:
                await self._begin_again(silence)
            elif silence >= self._after / 2:
                manager.cluster.request_update()

    def _silence(self) -> float:
        """Seconds since a broker that the client is connected to has answered anything."""
        answers = (getattr(connection, "answered_at", 0.0) for connection in self._known())
        self._heard_at = max(self._heard_at, *answers, 0.0)
        return time.monotonic() - self._heard_at

    def _known(self) -> list[Any]:
        manager = self._manager
        return [each for node, each in list(manager._conns.items()) if not manager.cluster.is_bootstrap(node)]

    async def _begin_again(self, silence: float) -> None:
        servers = self._manager.cluster.bootstrap_brokers()
        for server in random.sample(servers, len(servers)):
            metadata = await self._ask(server.node_id)
            if metadata is not None:
                break
        else:
            return
        if self._manager.closed or self._silence() < self._after:
            return
        manager = self._manager
        before = {node: self._address(node) for node in manager._conns}
        known = self._addresses()
        manager.cluster.update_metadata(metadata)
        self._readdress_coordinators()
        moved = [node for node, address in before.items() if address != self._address(node)]
        now = time.monotonic()
        if not moved and known == self._addresses():
            self._heard_at = now - self._after / 2  # they are asked again soon
            return
        self._heard_at = now
        for node in moved:
            connection = manager._conns.get(node)
            if connection is not None:
                connection.close(KafkaConnectionError(f"no known broker has answered for {silence:.0f} s"))
        manager._backoff.clear()
        manager._auth_failures.clear()
        found = ", ".join(sorted(f"{host}:{port}" for host, port in self._addresses()))
        if self._throttle.allow(found, now):
            _log.warning("No known broker has answered for %.0f s; the bootstrap servers name %s", silence, found)

    def _address(self, node: Any) -> tuple[str, int] | None:
        broker = self._manager.cluster.broker_metadata(node)
        return None if broker is None else (broker.host, broker.port)

    def _addresses(self) -> set[tuple[str, int]]:
        return {(broker.host, broker.port) for broker in self._manager.cluster.brokers()}

    def _readdress_coordinators(self) -> None:
        """Coordinators have connections of their own, and addresses: where they were when they were last looked for."""
        cluster = self._manager.cluster
        nodes = {f"coordinator-{broker.node_id}": broker for broker in cluster.brokers()}
        for name in list(cluster._coordinator_brokers):
            moved = nodes.get(name)
            if moved is None:
                del cluster._coordinator_brokers[name]  # it is looked for again when it is asked next
            else:
                cluster._coordinator_brokers[name] = type(moved)(name, moved.host, moved.port, moved.rack)

    async def _ask(self, node: Any) -> Any:
        """Return what a bootstrap server says of the cluster, None when it does not."""
        manager = self._manager
        manager._backoff.pop(node, None)
        manager._auth_failures.pop(node, None)
        try:
            connection = manager.get_connection(node, timeout_ms=_LONGEST_ANSWER_MS, refresh_metadata_on_err=False)
            try:
                await connection
                question = manager.cluster.metadata_request()
                metadata = await connection.send_request(question, request_timeout_ms=_LONGEST_ANSWER_MS)
            finally:
                connection.close()
        except Exception as error:
            _log.debug("%s does not tell of the cluster: %r", node, error)
            return None
        return metadata if metadata.brokers else None


def _noting_answers(take: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @wraps(take)  # the first that is done with an answer which belongs to a question
    def taking(connection: Any, response: Any) -> None:
        connection.answered_at = time.monotonic()
        take(connection, response)

    return taking


def _watched(construct: Callable[..., None], after: float, throttle: LogThrottle) -> Callable[..., None]:
    @wraps(construct)
    def constructing(manager: Any, net: Any, **configs: Any) -> None:
        construct(manager, net, **configs)
        net.call_soon(_Watch(manager, after, throttle).run)

    return constructing
