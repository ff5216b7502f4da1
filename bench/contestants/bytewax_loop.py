"""Bytewax as a fast source only: KafkaSource and one Python function per batch of records, with maps in memory.

It does the least that Bytewax lets one do per event, and has neither its windows nor its recovery.
"""

from collections.abc import Iterable
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found]
import orjson  # type: ignore[import-not-found]
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSource, KafkaSourceMessage  # type: ignore[import-not-found]
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.testing import cluster_main  # type: ignore[import-not-found]

from job import Job, Progress, read_job
from tally import Windows


def flow(job: Job) -> Any:
    """The data flow."""
    windows, progress = Windows(), Progress(job.events)
    counted = 0

    def take(records: list[KafkaSourceMessage]) -> Iterable[KafkaSinkMessage]:
        nonlocal counted
        closed: list[bytes] = []
        for record in records:
            closed.extend(windows.add(orjson.loads(record.value), record.partition))
        counted += len(records)
        if counted >= progress.due:
            progress.tell(counted)
        return [KafkaSinkMessage(None, result) for result in closed]

    dataflow = Dataflow("bench")
    source = KafkaSource([job.bootstrap_servers], [job.source], batch_size=5000)
    results = op.flat_map_batch("take", op.input("source", dataflow, source), take)
    kop.output("sink", results, brokers=[job.bootstrap_servers], topic=job.sink)
    return dataflow


if __name__ == "__main__":
    cluster_main(flow(read_job()), [], 0)
