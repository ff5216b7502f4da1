"""The ledger: what each batch was, made once, and what all of them add up to.

    <CHECKPOINTS_TO>/ledger/batch-000000000012.json    the record of batch 12 (counts.BatchRecord)
    <CHECKPOINTS_TO>/ledger/total-000000000100.json    the sum of batches 0 to 100 (counts.Snapshot)

A batch's record is made before anything of the batch becomes visible, and only if there is none. So whatever happens
later, a batch has one meaning: a repetition that finds its own record goes on, and a driver that has put together
another batch of that number finds a record that differs, and ends. A start adds up the records after a total.
"""

import threading
from typing import Final

import msgspec

from clickstream_statistics.counts import BatchRecord, Snapshot, Totals, restored
from clickstream_statistics.errors import JobError, NotOurs
from clickstream_statistics.storage import Storage

BATCHES_BETWEEN_TOTALS: Final = 100
_read_record = msgspec.json.Decoder(BatchRecord).decode
_read_snapshot = msgspec.json.Decoder(Snapshot).decode
_json = msgspec.json.encode


class Ledger:
    """The ledger in `<place>/ledger`; `totals` is the sum of its batches, and `lock` is held while it changes."""

    def __init__(self, storage: Storage, place: str) -> None:
        self._storage = storage
        self._place = place
        self._folder = f"{place}/ledger"
        self._records: dict[int, BatchRecord] = {}
        self._positions: dict[int, dict[str, int]] = {}
        self.lock = threading.Lock()
        self.totals = self._load()

    def _load(self) -> Totals:
        names = self._storage.names(self._folder)
        snapshots = [name for name in names if name.startswith("total-")]
        # The older of two: the positions of the newest batches are needed, too.
        totals = restored(_read_snapshot(self._content(snapshots[-2:][0]))) if snapshots else Totals()
        self._positions[totals.batch] = dict(totals.positions)
        for name in names:
            if name.startswith("batch-") and _number(name) > totals.batch:
                record = _read_record(self._content(name))
                if record.batch != totals.batch + 1:
                    raise JobError(
                        f"{self._folder} lacks the record of batch {totals.batch + 1}: restore the folder, or begin"
                        " again with another place for results and checkpoints"
                    )
                self._add(totals, record)
        totals.changed.clear()
        return totals

    def settled(self, batch: int) -> BatchRecord | None:
        """Return the record of a batch of the last ones, None if there is none yet."""
        return self._records.get(batch)

    def positions(self, batch: int) -> dict[str, int] | None:
        """Return the offsets that follow a batch of the last ones; None if they are not known."""
        return self._positions.get(batch)

    def settle(self, record: BatchRecord) -> bool:
        """Make the record of a batch and count it; return False if that was done before. Raises NotOurs."""
        known = self._records.get(record.batch)
        if known is None:
            known = self._create(record)
        if known != record:
            raise NotOurs(
                f"another clickstream-statistics works on {self._place}: its batch {record.batch} has"
                f" {known.records} records, this one's {record.records}; run only one with these checkpoints"
            )
        if record.batch <= self.totals.batch:
            return False
        if record.batch != self.totals.batch + 1 or not self.totals.follows(record):
            raise NotOurs(
                f"batch {record.batch} does not follow batch {self.totals.batch} of {self._folder}: another"
                " clickstream-statistics works on these checkpoints, or a part of them was deleted"
            )
        with self.lock:
            self._add(self.totals, record)
        return True

    def _create(self, record: BatchRecord) -> BatchRecord:
        name = f"batch-{record.batch:012d}.json"
        if self._storage.create(f"{self._folder}/{name}", _json(record)):
            return record
        return _read_record(self._content(name))

    def _add(self, totals: Totals, record: BatchRecord) -> None:
        totals.add(record)
        self._records[record.batch] = record
        self._positions[record.batch] = dict(totals.positions)
        for old in [each for each in self._positions if each < record.batch - 3]:
            del self._positions[old]
            self._records.pop(old, None)

    def summarize(self) -> None:
        """Now and then write a total, and remove what it makes superfluous."""
        batch = self.totals.batch
        if batch <= 0 or batch % BATCHES_BETWEEN_TOTALS:
            return
        self._storage.create(f"{self._folder}/total-{batch:012d}.json", _json(self.totals.snapshot()))
        totals = [name for name in self._storage.names(self._folder) if name.startswith("total-")]
        needed_from = _number(totals[-2:][0])
        for name in self._storage.names(self._folder):
            if _number(name) < needed_from or (name.startswith("batch-") and _number(name) == needed_from):
                self._storage.delete(f"{self._folder}/{name}")

    def _content(self, name: str) -> bytes:
        content = self._storage.read(f"{self._folder}/{name}")
        if content is None:
            raise JobError(
                f"{self._folder}/{name} was deleted while it was read: run only one job with these checkpoints"
            )
        return content


def _number(name: str) -> int:
    return int(name.partition("-")[2].partition(".")[0])
