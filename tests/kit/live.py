"""A generated stream in real time: each record is sent when the clock reaches its record timestamp."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer

from kit.topics import PipelineTopics, ToSend

_DEADLINE_SECONDS = 60.0


class LiveStream:
    """Sends `records`, whose timestamps rise and begin about now, in the background while the `with` block runs.

    A broker that is away for a while delays records and loses none. Leaving the block waits until all are written, and
    raises if one was not.
    """

    def __init__(self, topics: PipelineTopics, records: Sequence[ToSend]) -> None:
        self._topics = topics
        self._records = records
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._play, name="live stream", daemon=True)
        self._sent: list[Any] = []
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._abandoned.set()
        last = (self._records[-1].timestamp or 0) / 1000
        self._thread.join(max(0.0, last - time.time()) + _DEADLINE_SECONDS)
        if error is not None:
            return
        assert not self._thread.is_alive(), f"not all of {len(self._records)} records could be sent"
        if self._failure is not None:
            raise self._failure

    @property
    def sent(self) -> int:
        """How many records have been handed to the producer so far."""
        return len(self._sent)

    def _play(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._topics.bootstrap_servers, acks="all", delivery_timeout_ms=120_000
        )
        try:
            for each in self._records:
                if self._abandoned.wait(max(0.0, (each.timestamp or 0) / 1000 - time.time())):
                    return
                self._sent.append(
                    producer.send(
                        self._topics.events,
                        value=each.value,
                        key=each.key,
                        partition=each.partition,
                        timestamp_ms=each.timestamp,
                    )
                )
            for future in self._sent:
                future.get(timeout=_DEADLINE_SECONDS)
        except BaseException as error:
            self._failure = error
        finally:
            producer.close(timeout=5)
