"""Reads window results from Kafka, and knows whether it can.

`poll` never raises because of Kafka, not even at the start, for a wrong password or for an incomplete certificate: the
cause is in the log and in /readyz, and the next attempt reads the files again. A refused connection is closed, because
kafka-python may return the refusal from then on. A poll that returns at once without records met a fault that it will
meet again, so a pause follows, as after every failure: the loop can't spin.

An outage is logged when it begins and when it ends. A connection that is lost for a moment, for instance while a broker
restarts, is no outage yet.
"""

import logging
import time
from collections.abc import Callable

from kafka.consumer.fetcher import ConsumerRecord

from clickstream_consumer.connection import Connection
from clickstream_consumer.dashboard import printable
from clickstream_consumer.instruments import Instruments
from clickstream_consumer.results import WindowResult
from clickstream_consumer.settings import ConsumerSettings
from clickstream_consumer.status import Condition, Status
from clickstream_core.errors import MalformedMetrics, MalformedReceipt, SettingsError
from clickstream_core.groups import group_of
from clickstream_core.log_throttle import LogThrottle
from clickstream_core.receipts import decode_receipt, receipt_of
from clickstream_core.window_metrics import decode_window_metrics
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable

_log = logging.getLogger(__name__)
_POLL_S = 0.5
_RETRY_S = 1.0
_AT_ONCE_S = 0.05
_SHORT_PAUSE_S = 0.1
_PATIENCE_S = 3.0


class MetricsReader:
    """Reads the metrics topic, and reconnects when it has to.

    `connect` returns a connection or raises KafkaUnavailable, KafkaRefused or, for certificate files, SettingsError;
    `wait` sleeps for some seconds, less when a stop is requested; `clock` gives monotonic seconds; outages are logged
    at `level`.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        connect: Callable[[], Connection],
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
        self._connection: Connection | None = None
        self._connected_at = self._answered_at = clock()
        self._outage_since: float | None = None
        self._throttle = LogThrottle()
        self._consumed = 0

    def poll(self) -> list[WindowResult]:
        """Return the results that arrived, within half a second while connected; update `status`."""
        asked = self._clock()
        try:
            records = self._connected().poll(int(_POLL_S * 1000))
        except KafkaUnavailable as error:
            self._set_status(Status(Condition.AWAY, self._no_answer(str(error))))
        except KafkaRefused as error:
            self.close()
            self._set_status(Status(Condition.REFUSED, f"Kafka at {self._servers} refuses: {error}"))
        except SettingsError as error:
            self._set_status(Status(Condition.AWAY, f"{error}; trying again"))
        else:
            self._set_status(self._observed(self._connected()))
            if not records and self._clock() - asked < _AT_ONCE_S:
                self._wait(_SHORT_PAUSE_S)
            own = (record for record in records if group_of(record.headers) == self._processor_group)
            return [result for record in own if (result := self._decoded(record)) is not None]
        self._wait(_RETRY_S)
        return []

    def close(self) -> None:
        """Commit, leave the group and close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
            self._connected_at = self._answered_at = self._clock()
        return self._connection

    def _observed(self, connection: Connection) -> Status:
        if connection.is_connected():
            self._answered_at = self._clock()
        elif self._clock() - self._answered_at > _PATIENCE_S:
            return Status(Condition.AWAY, self._no_answer(connection.last_failure()))
        if not connection.may_read_topic():
            return Status(Condition.REFUSED, f"Kafka at {self._servers} refuses: no permission to read {self._topic}")
        # The cluster's metadata may arrive after the connection: a topic is missing only after a while.
        has_topic = connection.has_topic()
        if not has_topic and self._clock() - self._connected_at > _PATIENCE_S:
            return Status(Condition.NO_TOPIC, f"topic {self._topic} does not exist; waiting for it")
        if not has_topic or not connection.is_member():
            return Status(Condition.JOINING, f"joining the consumer group {self._group}")
        return Status(Condition.READY)

    def _no_answer(self, reason: str) -> str:
        return f"Kafka at {self._servers} does not answer ({reason}); trying again"

    def _set_status(self, status: Status) -> None:
        if status.needs_attention and status.condition is not self.status.condition:
            # Two causes may alternate from attempt to attempt.
            if self._throttle.allow(status.condition, self._clock()):
                _log.log(self._level, "%s", printable(status.why))
            if self._outage_since is None:
                self._outage_since = self._clock()
        if status.ready and self._outage_since is not None:
            seconds = self._clock() - self._outage_since
            _log.log(self._level, "Reading %s; it was unavailable for %.0f s", self._topic, seconds)
            self._outage_since = None
            self._throttle.clear()
        self.status = status
        self._instruments.ready.set(status.ready)

    def _decoded(self, record: ConsumerRecord) -> WindowResult | None:
        try:
            metrics = decode_window_metrics(record.value)
            receipt = self._receipt(record)
            result = WindowResult.of(metrics, record.partition, record.offset, self._consumed + 1, receipt)
        except MalformedMetrics as error:
            _log.log(
                self._level,
                "Skipped a malformed record, partition %d, offset %d: %s",
                record.partition,
                record.offset,
                printable(str(error)),
                extra={"partition": record.partition, "offset": record.offset},
            )
            self._instruments.malformed.inc()
            return None
        self._consumed += 1
        self._instruments.result(result)
        return result

    def _receipt(self, record: ConsumerRecord) -> bytes | None:
        """Return the record's receipt; a malformed one is left out, the result is shown."""
        receipt = receipt_of(record.headers)
        try:
            if receipt is not None:
                decode_receipt(receipt)
        except MalformedReceipt as error:
            _log.log(
                self._level,
                "Left out a malformed receipt, partition %d, offset %d: %s",
                record.partition,
                record.offset,
                printable(str(error)),
                extra={"partition": record.partition, "offset": record.offset},
            )
            return None
        return receipt
