"""A client whose brokers have all moved finds them again by its bootstrap servers.

`aiokafka_rebootstrap` describes the problem and the rules; kafka-python has it too. A task in the event loop of each
connection manager, which is the client's own thread, watches the manager's connections. When no known broker has
answered for `AFTER_S`, the bootstrap servers are asked one after the other, each name resolved again, until one returns
metadata. Then connections to brokers that are elsewhere now are closed. kafka-python also has to forget what it
remembers about the old brokers: the backoff before it tries one again, and that one of them refused the password, an
error that it would return forever. A producer sends again what was under way, with the same sequence numbers.

Written for kafka-python 3.0.
Upstream: none found.
Delete when kafka-python implements KIP-899 and KIP-1102.
"""

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager

from clickstream_core.log_throttle import LogThrottle
from clickstream_kafka.patches import replace_method

AFTER_S = 12.0  # without an answer from any known broker
_ANSWER_TIMEOUT_S = 5  # for connecting to a bootstrap server, and again for its answer

_log = logging.getLogger(__name__)


def apply(after_s: float = AFTER_S) -> None:
    """Watch every client of this process; what several of them find is logged once."""
    throttle = LogThrottle()
    # the first method that is called with the answer to a request
    replace_method(KafkaConnection, "_maybe_throttle", _record_answer)
    replace_method(KafkaConnectionManager, "__init__", partial(_construct_and_watch, after_s, throttle))


class _Watch:
    def __init__(self, manager: Any, after_s: float, throttle: LogThrottle) -> None:
        self._manager = manager
        self._after_s = after_s
        self._throttle = throttle
        self._answered_at = time.monotonic()

    async def run(self) -> None:
        manager = self._manager
        while not manager.closed:
            await manager._net.sleep(self._after_s / 4)
            if not manager.cluster.brokers():  # it is still bootstrapping
                self._answered_at = time.monotonic()
                continue
            silence = self._seconds_without_answer()
            if silence >= self._after_s:
                await self._rebootstrap(silence)
            elif silence >= self._after_s / 2:
                manager.cluster.request_update()

    def _seconds_without_answer(self) -> float:
        """Since any known broker has answered any request."""
        answers = (getattr(connection, "answered_at", 0.0) for connection in self._known())
        self._answered_at = max(self._answered_at, *answers, 0.0)
        return time.monotonic() - self._answered_at

    def _known(self) -> list[Any]:
        manager = self._manager
        return [each for node, each in list(manager._conns.items()) if not manager.cluster.is_bootstrap(node)]

    async def _rebootstrap(self, silence: float) -> None:
        servers = self._manager.cluster.bootstrap_brokers()
        for server in random.sample(servers, len(servers)):
            metadata = await self._ask(server.node_id)
            if metadata is not None:
                break
        else:
            return
        if self._manager.closed or self._seconds_without_answer() < self._after_s:
            return
        manager = self._manager
        before = {node: self._address(node) for node in manager._conns}
        known = self._addresses()
        manager.cluster.update_metadata(metadata)
        self._readdress_coordinators()
        moved = [node for node, address in before.items() if address != self._address(node)]
        now = time.monotonic()
        if not moved and known == self._addresses():
            self._answered_at = now - self._after_s / 2  # ask again soon
            return
        self._answered_at = now
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
        """Update the addresses of coordinators, which kafka-python keeps apart from those of brokers."""
        cluster = self._manager.cluster
        nodes = {f"coordinator-{broker.node_id}": broker for broker in cluster.brokers()}
        for name in list(cluster._coordinator_brokers):
            moved = nodes.get(name)
            if moved is None:
                del cluster._coordinator_brokers[name]  # the next request looks for it again
            else:
                cluster._coordinator_brokers[name] = type(moved)(name, moved.host, moved.port, moved.rack)

    async def _ask(self, node: Any) -> Any:
        """Return a bootstrap server's metadata, None when it returns none."""
        manager = self._manager
        manager._backoff.pop(node, None)
        manager._auth_failures.pop(node, None)
        try:
            timeout_ms = _ANSWER_TIMEOUT_S * 1000
            connection = manager.get_connection(node, timeout_ms=timeout_ms, refresh_metadata_on_err=False)
            try:
                await connection
                question = manager.cluster.metadata_request()
                metadata = await connection.send_request(question, request_timeout_ms=timeout_ms)
            finally:
                connection.close()
        except Exception as error:
            _log.debug("%s returned no metadata: %r", node, error)
            return None
        return metadata if metadata.brokers else None


def _record_answer(take: Callable[[Any, Any], None], connection: Any, response: Any) -> None:
    connection.answered_at = time.monotonic()
    take(connection, response)


def _construct_and_watch(
    after_s: float, throttle: LogThrottle, construct: Callable[..., None], manager: Any, net: Any, **configs: Any
) -> None:
    construct(manager, net, **configs)
    net.call_soon(_Watch(manager, after_s, throttle).run)
