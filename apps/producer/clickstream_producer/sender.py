"""Sends events to Kafka: accepted, in flight, acknowledged.

`send` passes an event to the client and returns at once; the client's thread calls back when Kafka has acknowledged it.
What is in flight is bounded, in events and in bytes, because kafka-python buffers whatever it is given; at the bound
the generating loop waits. No accepted event is dropped: a batch stays in the client until Kafka has it. If Kafka
refuses an event for good, the run ends with `failure`, because an idempotent client can't continue after that.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import RecordMetadata

from clickstream_kafka.library_errors import LibraryErrors
from clickstream_producer.kafka_client import Producer, describe, explain
from clickstream_producer.progress import LATENCY_BOUNDS_S, Condition, Progress

_MAX_IN_FLIGHT_S = 10.0
_MAX_EVENTS = 50_000
_MAX_BYTES = 32 * 1024 * 1024
_UNAVAILABLE_AFTER_S = 3.0


def in_flight_bound(rate: float) -> int:
    """Return how many events may be in flight at `rate` events per second: ten seconds' worth, at most 50,000."""
    return min(_MAX_EVENTS, max(10, math.ceil(rate * _MAX_IN_FLIGHT_S)))


class Sender:
    """Sends events to one topic and counts the outcomes.

    `bound` and `max_bytes` limit what is in flight; `clock` returns monotonic seconds.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        library_errors: LibraryErrors,
        *,
        bound: int,
        clock: Callable[[], float],
        max_bytes: int = _MAX_BYTES,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._library_errors = library_errors
        self._bound = bound
        self._most_bytes = max_bytes
        self._clock = clock
        self._accepted = 0
        self._accepted_bytes = 0
        self._waiting_since = clock()
        # Written only by the client's thread.
        self._acknowledged = 0
        self._acknowledged_bytes = 0
        self._failed = 0
        self._partition = 0
        self._offset = 0
        self._latencies = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self._latency_sum = 0.0
        self.failure: str = ""  # why Kafka refused an event for good

    @property
    def in_flight(self) -> int:
        return self._accepted - self._acknowledged - self._failed

    def room(self) -> int:
        """Return how many more events may be sent now."""
        if self._accepted_bytes - self._acknowledged_bytes >= self._most_bytes:
            return 0
        if not self._producer.knows_topic(self._topic):
            return 0
        return max(0, self._bound - self.in_flight)

    def send(self, key: bytes | None, value: bytes) -> bool:
        """Pass one event to the client; return False if it was not accepted (the topic has just been deleted)."""
        now = self._clock()
        if self.in_flight == 0:
            self._waiting_since = now
        try:
            future = self._producer.send(self._topic, value=value, key=key)
        except (KafkaTimeoutError, ValueError):
            return False  # both mean that the topic was deleted after the call of `room`
        except KafkaError as error:
            self.failure = explain(error, self._topic)
            return False
        self._accepted += 1
        self._accepted_bytes += len(value)
        future.add_callback(self._acknowledge, now, len(value))
        future.add_errback(self._refuse)
        return True

    def progress(self, *, finished: bool = False, error: str = "") -> Progress:
        condition, why = self._condition()
        # Outcomes are read before the number of accepted events, so that what is in flight is never negative.
        acknowledged, failed = self._acknowledged, self._failed
        return Progress(
            condition=condition,
            why=why,
            accepted=self._accepted,
            acknowledged=acknowledged,
            failed=failed,
            bound=self._bound,
            partition=self._partition,
            offset=self._offset,
            latencies=tuple(self._latencies),
            latency_sum=self._latency_sum,
            finished=finished,
            error=error,
        )

    def drain(self, seconds: float) -> None:
        """Wait up to about `seconds` for everything in flight."""
        try:
            self._producer.flush(timeout=seconds)
        except KafkaTimeoutError:
            return  # `in_flight` shows it

    def close(self) -> None:
        """Close the client; what is in flight is lost."""
        if self.in_flight:
            self._producer.abandon()
        else:
            self._producer.close(timeout=1.0)

    def _condition(self) -> tuple[Condition, str]:
        if not self._producer.knows_topic(self._topic):
            return Condition.PAUSED, f"topic {self._topic} does not exist any more"
        full = self.in_flight >= self._bound or self._accepted_bytes - self._acknowledged_bytes >= self._most_bytes
        waited = self._clock() - self._waiting_since
        if self.in_flight and waited > _UNAVAILABLE_AFTER_S:
            error = self._library_errors.last
            cause = f" ({describe(error)})" if error else ""
            why = f"Kafka is away: nothing acknowledged for {waited:.0f} s{cause}"
            return (Condition.PAUSED if full else Condition.AWAY), why
        self._library_errors.clear()
        return Condition.RUNNING, ""

    def _acknowledge(self, sent_at: float, size: int, metadata: RecordMetadata) -> None:
        now = self._clock()
        self._waiting_since = now
        self._partition, self._offset = metadata.partition, metadata.offset
        self._latencies[bisect_left(LATENCY_BOUNDS_S, now - sent_at)] += 1
        self._latency_sum += now - sent_at
        self._acknowledged_bytes += size
        self._acknowledged += 1

    def _refuse(self, error: BaseException) -> None:
        self.failure = self.failure or explain(error, self._topic)
        self._failed += 1
