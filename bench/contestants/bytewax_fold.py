"""Bytewax with its own windows: KafkaSource, orjson, fold_window with an event clock, one worker.

Windows are folded per partition (an event clock's watermark belongs to a key, and partitions are not read in step) and
added up at the end. `ordered=False`, as the order within a window does not matter. Without recovery.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found]
import orjson  # type: ignore[import-not-found]
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage  # type: ignore[import-not-found]
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.operators import windowing
from bytewax.testing import cluster_main  # type: ignore[import-not-found]

from job import PARTITIONS, WINDOW_SECONDS, Job, Progress, read_job
from tally import Tally

_EPOCH = datetime.fromtimestamp(0, UTC)
_KEYS = [str(partition) for partition in range(PARTITIONS)]


def fold(tally: Tally, event: dict[str, Any]) -> Tally:
    """Count one event."""
    tally.add(event)
    return tally


def merge(tally: Tally, other: Tally) -> Tally:
    """Add up two parts of a window."""
    tally.merge(other)
    return tally


def flow(job: Job) -> Any:
    """The data flow."""
    progress = Progress(job.events)
    counted = 0

    def decode(record: KafkaSourceMessage) -> tuple[str, dict[str, Any]]:
        nonlocal counted
        counted += 1
        if counted == progress.due:
            progress.tell(counted)
        return _KEYS[record.partition], orjson.loads(record.value)

    sums: dict[int, tuple[Tally, list[str]]] = {}

    def add_up(closed: tuple[str, tuple[int, Tally]]) -> Iterable[KafkaSinkMessage]:
        key, (window, tally) = closed
        total, heard = sums.setdefault(window, (Tally(), []))
        total.merge(tally)
        heard.append(key)
        if len(heard) == PARTITIONS:
            del sums[window]
            yield KafkaSinkMessage(None, total.result(window * WINDOW_SECONDS))

    dataflow = Dataflow("bench")
    source = KafkaSource([job.bootstrap_servers], [job.source], batch_size=5000)
    records = op.input("source", dataflow, source)
    events = op.map("decode", records, decode)
    clock = windowing.EventClock(
        lambda event: datetime.fromisoformat(event["timestamp"]), wait_for_system_duration=timedelta(seconds=5)
    )
    windower = windowing.TumblingWindower(length=timedelta(seconds=WINDOW_SECONDS), align_to=_EPOCH)
    folded = windowing.fold_window("fold", events, clock, windower, Tally, fold, merge, ordered=False)
    results = op.flat_map("add_up", folded.down, add_up)
    kop.output("sink", results, brokers=[job.bootstrap_servers], topic=job.sink)
    return dataflow


if __name__ == "__main__":
    cluster_main(flow(read_job()), [], 0)
