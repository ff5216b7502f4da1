import pytest

from clickstream_statistics.counts import BatchRecord, Group, batch_record
from clickstream_statistics.errors import JobError, NotOurs
from clickstream_statistics.ledger import BATCHES_BETWEEN_TOTALS, Ledger
from clickstream_statistics.storage import Storage

PLACE = "file:///checkpoints"


def batch(number: int, records: int = 2, first: int | None = None) -> BatchRecord:
    """A batch of one partition: by default two records each, one behind the other."""
    begin = 2 * number if first is None else first
    return batch_record(number, [Group(0, begin, begin + records - 1, records, 5, 1, 100 + number % 7, 1)])


def test_a_repeated_batch_counts_once(files: Storage) -> None:
    ledger = Ledger(files, PLACE)
    assert ledger.settle(batch(0))
    assert not ledger.settle(batch(0)), "by the same driver, whose query began again"

    again = Ledger(files, PLACE)
    assert not again.settle(batch(0)), "by the next driver, which Spark makes repeat it"
    assert again.settle(batch(1))
    assert again.totals.scenarios[5].total == 4


def test_a_driver_that_counts_another_batch_of_that_number_ends(files: Storage) -> None:
    mine, other = Ledger(files, PLACE), Ledger(files, PLACE)
    mine.settle(batch(0))
    with pytest.raises(NotOurs, match="its batch 0 has 2 records, this one's 3; run only one"):
        other.settle(batch(0, records=3))
    assert Ledger(files, PLACE).totals.scenarios[5].total == 2


def test_two_drivers_that_do_the_same_batch_both_count_it_once(files: Storage) -> None:
    mine, other = Ledger(files, PLACE), Ledger(files, PLACE)
    assert mine.settle(batch(0))
    assert other.settle(batch(0)), "its own totals lack it"
    assert mine.totals.snapshot() == other.totals.snapshot() == Ledger(files, PLACE).totals.snapshot()


def test_a_batch_that_begins_before_the_end_of_the_last_is_refused(files: Storage) -> None:
    ledger = Ledger(files, PLACE)
    ledger.settle(batch(0))
    with pytest.raises(NotOurs, match="batch 1 does not follow batch 0"):
        ledger.settle(batch(1, first=1))
    with pytest.raises(NotOurs, match="batch 2 does not follow batch 0"):
        ledger.settle(batch(2))


def test_records_are_summed_up_and_removed_and_a_start_finds_the_same(files: Storage) -> None:
    ledger = Ledger(files, PLACE)
    last = 3 * BATCHES_BETWEEN_TOTALS + 5
    for number in range(last + 1):
        ledger.settle(batch(number))
        ledger.summarize()
    names = files.names(f"{PLACE}/ledger")
    assert [name for name in names if name.startswith("total-")] == [
        "total-000000000200.json",
        "total-000000000300.json",
    ]
    assert len(names) == 2 + last - 200

    started = Ledger(files, PLACE)
    assert started.totals.snapshot() == ledger.totals.snapshot()
    assert started.totals.scenarios[5].total == 2 * (last + 1)
    assert [started.positions(each) for each in (last - 1, last)] == [{"0": 2 * last}, {"0": 2 * last + 2}]


def test_a_missing_record_is_named(files: Storage) -> None:
    ledger = Ledger(files, PLACE)
    for number in range(3):
        ledger.settle(batch(number))
    files.delete(f"{PLACE}/ledger/batch-000000000001.json")
    with pytest.raises(JobError, match="lacks the record of batch 1: restore the folder"):
        Ledger(files, PLACE)
