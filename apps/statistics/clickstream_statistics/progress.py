"""What Spark reports of the query, as metrics, and as the readiness of the job."""

import json
import time
from typing import Any

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from clickstream_statistics import instruments


class Progress(StreamingQueryListener):
    """Listens to the query; `seen` is set once it has done a batch or found nothing to do."""

    def __init__(self) -> None:
        self.seen = False

    def onQueryStarted(self, event: QueryStartedEvent) -> None:
        self.seen = False

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        progress = json.loads(event.progress.json)
        self.seen = True
        if progress.get("numInputRows") or "addBatch" in progress.get("durationMs", {}):
            show_durations(progress["durationMs"])
        for partition, records in lags(progress).items():
            instruments.LAG.labels(partition).set(records)
        instruments.LAST_BATCH.set(time.time())

    def onQueryIdle(self, event: QueryIdleEvent) -> None:
        self.seen = True
        instruments.LAST_BATCH.set(time.time())

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:
        self.seen = False


def show_durations(durations_ms: dict[str, float]) -> None:
    """Observe a batch's durations, as Spark gives them by phase."""
    instruments.BATCH_SECONDS.observe(durations_ms.get("triggerExecution", 0) / 1000)
    for phase in instruments.PHASES:
        if phase in durations_ms:
            instruments.PHASE_SECONDS.labels(phase).observe(durations_ms[phase] / 1000)


def lags(progress: dict[str, Any]) -> dict[str, int]:
    """Return how many offsets of each partition are not read yet, of a progress as Spark writes it in JSON."""
    found = {}
    for source in progress.get("sources", ()):
        ends, latest = _offsets(source.get("endOffset")), _offsets(source.get("latestOffset"))
        for partition, newest in latest.items():
            found[partition] = max(0, newest - ends.get(partition, 0))
    return found


def _offsets(given: Any) -> dict[str, int]:
    """The offsets by partition; Spark writes JSON, or JSON in a text."""
    parsed = json.loads(given) if isinstance(given, str) else given
    return dict(next(iter(parsed.values()), {})) if parsed else {}
