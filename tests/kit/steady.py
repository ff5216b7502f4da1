"""Events at a steady rate until stopped, and the delay after which their windows were announced."""

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from kafka import KafkaProducer

from kit.events import event_value
from kit.processes import App
from kit.topics import PipelineTopics

_PAUSE_SECONDS = 0.04
_DEADLINE_SECONDS = 120.0


class SteadyStream:
    """Sends 25 current events/s, to one partition after the other, while the `with` block runs.

    Waits at most 3 s for a broker that does not answer. Leaving the block waits until all events are written.
    """

    def __init__(self, topics: PipelineTopics, partitions: int = 6) -> None:
        self._topics = topics
        self._partitions = partitions
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._send, name="steady stream", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_DEADLINE_SECONDS)
        if error is None:
            assert not self._thread.is_alive(), "not all events could be sent"
            if self._failure is not None:
                raise self._failure

    def _send(self) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self._topics.bootstrap_servers,
            acks="all",
            request_timeout_ms=3_000,
            metadata_max_age_ms=3_000,
            delivery_timeout_ms=int(_DEADLINE_SECONDS * 1000),
        )
        try:
            sent: list[Any] = []
            while not self._over.wait(_PAUSE_SECONDS):
                value = event_value(datetime.now(UTC))
                sent.append(producer.send(self._topics.events, value=value, partition=len(sent) % self._partitions))
            for future in sent:
                future.get(timeout=_DEADLINE_SECONDS)
        except BaseException as error:
            self._failure = error
        finally:
            producer.close(timeout=5)


def lateness(replicas: Iterable[App]) -> dict[float, float]:
    """From each window's end (seconds since the epoch) to when a replica announced its first result, in seconds.

    The replicas must write their output as JSON (LOG_FORMAT=json).
    """
    found = {}
    for replica in replicas:
        for line in replica.output().splitlines():
            if line.startswith("{") and "Window completed" in line and line.endswith("}"):
                said = json.loads(line)
                if said["revision"] == 0:
                    end = _seconds(said["window_end"])
                    found[end] = _seconds(said["timestamp"]) - end
    return dict(sorted(found.items()))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
