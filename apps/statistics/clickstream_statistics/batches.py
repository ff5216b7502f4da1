"""One batch, from Spark's rows to a settled record and published files. What happens in which order, and why:

1. The rows are parsed and kept by Spark, so that Kafka is read once.
2. The batch's record is made and counted (`ledger`). From now on the batch has one meaning.
3. Its files are published (`layout`).
4. Spark commits the batch.

After a crash anywhere Spark repeats the batch that was not committed, with the same offsets. Steps 2 and 3 find what is
there already, so nothing is there twice.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from clickstream_statistics import instruments
from clickstream_statistics.counts import Group, batch_record
from clickstream_statistics.layout import store
from clickstream_statistics.ledger import Ledger
from clickstream_statistics.storage import Storage

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shape:
    """What a record becomes: rows, of these the stored ones, and groups for the batch's record."""

    rows: Callable[[DataFrame], DataFrame]
    stored: Callable[[DataFrame], DataFrame]
    groups: Callable[[DataFrame], Iterable[Group]]
    keeps_malformed: bool


class Batches:
    """Called by Spark with each batch. `error` is what a batch ended with: Spark hides it in an error of its own."""

    def __init__(self, shape: Shape, ledger: Ledger, storage: Storage, place: str, staging: str) -> None:
        self._shape = shape
        self._ledger = ledger
        self._storage = storage
        self._place = place
        self._staging = staging
        self.error: Exception | None = None

    def __call__(self, records: DataFrame, batch: int) -> None:
        try:
            self._run(records, batch)
        except Exception as error:
            self.error = error
            # While Spark stops it searches the error's text by a regular expression that overflows the stack on a
            # long one, and a Java trace is one.
            raise RuntimeError("the batch failed") from None

    def _run(self, records: DataFrame, batch: int) -> None:
        rows = self._shape.rows(records).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            record = batch_record(batch, self._shape.groups(rows))
            self._ledger.settle(record)
            if record.records:
                staging = f"{self._staging}/{batch}"
                store(self._shape.stored(rows), batch, staging, self._storage, self._place)
            self._ledger.summarize()
        finally:
            rows.unpersist()
        instruments.RECORDS.inc(record.records)
        instruments.MALFORMED.inc(record.malformed)
        instruments.STORED_ROWS.inc(record.records - (0 if self._shape.keeps_malformed else record.malformed))
        if record.malformed:
            what = "kept as raw values" if self._shape.keeps_malformed else "left out"
            _log.warning(
                "%d of %d records of batch %d are malformed and %s", record.malformed, record.records, batch, what
            )
