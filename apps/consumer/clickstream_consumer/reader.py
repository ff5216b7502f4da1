"""Window results as Kafka brings them, and whether it can.

`poll` never raises because of Kafka, not even at the start and not for a wrong password or half a certificate: whoever
is to correct that finds it in the log and in the answer of `/readyz`, and the next attempt reads the files again. A
connection that was refused is given up, because kafka-python remembers the refusal and may answer with it for ever.

A poll that brings nothing takes its half second. One that brings nothing at once met something that it will meet again,
and is followed by a pause, as every failure is: nothing here can go round without one.

Trouble is logged when it begins and when it ends, not while it lasts. A connection that is lost for a moment, as when a
broker restarts, is no trouble yet.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from kafka.consumer.fetcher import ConsumerRecord

from clickstream_consumer.dashboard import printable
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.results import WindowResult
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.status import Condition, Status
from clickstream_core.errors import MalformedMetrics, SettingsError
from clickstream_core.groups import group_of
from clickstream_core.log_throttle import LogThrottle
from clickstream_core.window_metrics import decode_window_metrics
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

_log = logging.getLogger(__name__)
_POLL_MS = 500
_RETRY_SECONDS = 1.0
_AT_ONCE_SECONDS = 0.05
_SHORT_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 3.0


class Connected(Protocol):
    """What the reader needs of a `Connection`."""

    def poll(self, timeout_ms: int) -> list[ConsumerRecord]: ...
    def answers(self) -> bool: ...
    def trouble(self) -> str: ...
    def is_member(self) -> bool: ...
    def has_topic(self) -> bool: ...
    def may_read_topic(self) -> bool: ...
    def close(self) -> None: ...


class MetricsReader:
    """Reads the metrics topic, through one connection after another when it has to.

    `connect` makes a connection or raises KafkaUnavailable, KafkaRefused or, for certificate files, SettingsError;
    `wait` sleeps for some seconds, less when a stop was requested; `clock` gives seconds that only rise; trouble is
    logged at `level`.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        connect: Callable[[], Connected],
        instruments: Instruments,
        wait: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
        level: int = logging.WARNING,
    ) -> None:
        self._level = level
        self.status = Status(Condition.CONNECTING, "connecting to Kafka")
        self._servers = ", ".join(settings.kafka.bootstrap_servers)
        self._topic = settings.metrics_topic
        self._group = settings.group_id
        self._processor_group = settings.processor_group
        self._connect = connect
        self._instruments = instruments
        self._wait = wait
        self._clock = clock
        self._connection: Connected | None = None
        self._connected_at = self._answered_at = clock()
        self._trouble_since: float | None = None
        self._throttle = LogThrottle()
        self._consumed = 0

    def poll(self) -> list[WindowResult]:
        """Return the results that arrived, after half a second at the latest when Kafka is there; update `status`."""
        asked = self._clock()
        try:
            records = self._connected().poll(_POLL_MS)
        except KafkaUnavailable as error:
            self._turn_to(Status(Condition.AWAY, self._away(str(error))))
        except KafkaRefused as error:
            self.close()
            self._turn_to(Status(Condition.REFUSED, f"Kafka at {self._servers} refuses: {error}"))
        except SettingsError as error:
            self._turn_to(Status(Condition.AWAY, f"{error}; trying again"))
        else:
            self._turn_to(self._observed(self._connected()))
            if not records and self._clock() - asked < _AT_ONCE_SECONDS:
                self._wait(_SHORT_PAUSE_SECONDS)
            own = (record for record in records if group_of(record.headers) == self._processor_group)
            return [result for record in own if (result := self._decoded(record)) is not None]
        self._wait(_RETRY_SECONDS)
        return []

    def close(self) -> None:
        """Commit, leave the group and close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connected:
        if self._connection is None:
            self._connection = self._connect()
            self._connected_at = self._answered_at = self._clock()
        return self._connection

    def _observed(self, connection: Connected) -> Status:
        if connection.answers():
            self._answered_at = self._clock()
        elif self._clock() - self._answered_at > _PATIENCE_SECONDS:
            return Status(Condition.AWAY, self._away(connection.trouble()))
        if not connection.may_read_topic():
            return Status(Condition.REFUSED, f"Kafka at {self._servers} refuses: no permission to read {self._topic}")
        # The cluster's metadata may be younger than the connection: a topic is missing only after a while.
        has_topic = connection.has_topic()
        if not has_topic and self._clock() - self._connected_at > _PATIENCE_SECONDS:
            return Status(Condition.NO_TOPIC, f"topic {self._topic} does not exist; waiting for it")
        if not has_topic or not connection.is_member():
            return Status(Condition.JOINING, f"joining the consumer group {self._group}")
        return Status(Condition.READY)

    def _away(self, reason: str) -> str:
        return f"Kafka at {self._servers} does not answer ({reason}); trying again"

    def _turn_to(self, status: Status) -> None:
        if status.trouble and status.condition is not self.status.condition:
            # One kind of trouble may alternate with another from attempt to attempt.
            if self._throttle.allow(status.condition, self._clock()):
                _log.log(self._level, "%s", printable(status.why))
            if self._trouble_since is None:
                self._trouble_since = self._clock()
        if status.ready and self._trouble_since is not None:
            seconds = self._clock() - self._trouble_since
            _log.log(self._level, "Reading %s now, after %.0f s of trouble", self._topic, seconds)
            self._trouble_since = None
            self._throttle.clear()
        self.status = status
        self._instruments.ready(status.ready)

    def _decoded(self, record: ConsumerRecord) -> WindowResult | None:
        try:
            metrics = decode_window_metrics(record.value)
            result = WindowResult.of(metrics, record.partition, record.offset, self._consumed + 1)
        except MalformedMetrics as error:
            _log.log(
                self._level,
                "Skipped a malformed record, partition %d, offset %d: %s",
                record.partition,
                record.offset,
                printable(str(error)),
                extra={"partition": record.partition, "offset": record.offset},
            )
            self._instruments.malformed()
            return None
        self._consumed += 1
        self._instruments.result(result)
        return result
