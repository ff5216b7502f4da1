"""A steady stream of events from a thread, as a real site would send it: out of order, some late, some broken.

The records are idempotent and are retried until the broker takes them, so a broker that is away holds the stream up and
loses nothing. What the events say is drawn from the seed; their times are those at which they are made.
"""

import random
import threading
import time

from kafka import KafkaProducer
from kafka.errors import KafkaError

from kit.topics import PipelineTopics

_TICK_S = 0.05
_STRAGGLING_MS = 8_000, 20_000
"""Behind by more than a window waits, and by less than it can change: what revisions are made of."""

_LATE_MS = 600_000
_FUTURE_MS = 300_000
_MOST_WAITING = 20_000
_BROKEN = (b"not json", b"[]", b"{}", b'{"timestamp":7}', b"\xff\xfe", None)


def patient_producer(bootstrap_servers: str) -> KafkaProducer:
    """A producer that loses and doubles nothing, however long the brokers are away."""
    return KafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        delivery_timeout_ms=600_000,
        request_timeout_ms=10_000,
        reconnect_backoff_max_ms=500,
        max_block_ms=600_000,
        linger_ms=10,
        compression_type="lz4",
    )


class Load:
    """Sends `rate` events per second into random partitions until the `with` block ends.

    `malformed`, `late` and `future` count what was sent to be refused.
    """

    def __init__(self, topics: PipelineTopics, partitions: int, rate: int, seed: int) -> None:
        self.sent = self.malformed = self.late = self.future = 0
        self._topics = topics
        self._partitions = partitions
        self._rate = rate
        self._draw = random.Random(seed)
        self._waiting = 0
        self._stopping = threading.Event()
        self._failure: KafkaError | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise AssertionError(f"the load lost a record: {self._failure!r}") from self._failure

    def _run(self) -> None:
        producer = patient_producer(self._topics.bootstrap_servers)
        try:
            due = 0.0
            while not self._stopping.wait(_TICK_S):
                due = min(due + self._rate * _TICK_S, self._rate)
                while due >= 1 and self._waiting < _MOST_WAITING:
                    self._send(producer)
                    due -= 1
            producer.flush(timeout=300)
        finally:
            producer.close(timeout=5)

    def _send(self, producer: KafkaProducer) -> None:
        draw = self._draw
        user = draw.randrange(500)
        future = producer.send(
            self._topics.events,
            value=self._value(user),
            key=b"user_%d" % user,
            partition=draw.randrange(self._partitions),
        )
        self._waiting += 1
        future.add_callback(self._delivered)
        future.add_errback(self._failed)

    def _value(self, user: int) -> bytes | None:
        draw = self._draw
        now = time.time_ns() // 1_000_000
        kind = draw.random()
        if kind < 0.004:
            self.malformed += 1
            return draw.choice(_BROKEN)
        if kind < 0.008:
            self.late += 1
            return _event(now - _LATE_MS, user, draw)
        if kind < 0.012:
            self.future += 1
            return _event(now + _FUTURE_MS, user, draw)
        if kind < 0.014:
            return _event(now - draw.randrange(*_STRAGGLING_MS), user, draw)
        return _event(now - draw.randrange(3_000), user, draw)

    def _delivered(self, metadata: object) -> None:
        self._waiting -= 1
        self.sent += 1

    def _failed(self, error: KafkaError) -> None:
        self._waiting -= 1
        self._failure = error


def _event(time_ms: int, user: int, draw: random.Random) -> bytes:
    seconds, milliseconds = divmod(time_ms, 1000)
    timestamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}Z"
    return (
        f'{{"timestamp":"{timestamp}","user_id":"user_{user}","session_id":"sess_{user}_{draw.randrange(3)}",'
        f'"event_type":"{draw.choice(("page_view", "click", "purchase"))}","page_url":"/products/{draw.randrange(20)}",'
        f'"referrer":"{draw.choice(("google.com", "direct", "x.com", "email"))}",'
        f'"device_type":"{draw.choice(("mobile", "desktop"))}","duration_ms":{draw.randrange(9000)}}}'
    ).encode()
