from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from clickstream_core.receipt_checks import Share, partition_problems, result_problems
from clickstream_core.receipts import PartitionReceipt

# What became of each offset: counted in a window, refused with a reason, or no record (a transaction's marker).
FATES = st.lists(st.sampled_from(["10:30", "10:35", "10:40", "late", "not_json", ""]), min_size=1, max_size=40)
REASONS = ("late", "not_json")


@dataclass
class Log:
    fates: Sequence[str]

    @property
    def dead_letters(self) -> dict[int, str]:
        return {offset: fate for offset, fate in enumerate(self.fates) if fate in REASONS}

    @property
    def shares(self) -> list[Share]:
        counted: dict[str, list[int]] = defaultdict(list)
        for offset, fate in enumerate(self.fates):
            if fate and fate not in REASONS:
                counted[fate].append(offset)
        return [Share(window, self.receipt(offsets)) for window, offsets in counted.items()]

    def receipt(self, offsets: list[int]) -> PartitionReceipt:
        among = [fate for fate in self.fates[offsets[0] : offsets[-1]] if fate in REASONS]
        return PartitionReceipt(offsets[0], offsets[-1], len(offsets), dict(Counter(among)))

    def records(self, first: int, last: int) -> int:
        return sum(map(bool, self.fates[first : last + 1]))


def changed(share: Share, **changes: object) -> Share:
    return Share(share.window, msgspec.structs.replace(share.receipt, **changes))


@given(FATES)
def test_right_receipts_fit(fates: list[str]) -> None:
    log = Log(fates)
    assert partition_problems(log.shares, log.dead_letters, log.records, complete=True) == []
    for share in log.shares:
        assert result_problems(share.receipt.counted, {0: share.receipt}) == []


@given(FATES, st.data())
def test_a_number_that_is_wrong_shows(fates: list[str], data: st.DataObject) -> None:
    log = Log(fates)
    assume(log.shares)
    shares = log.shares
    wrong = data.draw(st.integers(0, len(shares) - 1))
    by = data.draw(st.sampled_from([-1, 1]))
    shares[wrong] = changed(shares[wrong], counted=shares[wrong].receipt.counted + by)
    assert partition_problems(shares, log.dead_letters, log.records, complete=True)
    total = log.shares[wrong].receipt.counted
    assert result_problems(total, {0: shares[wrong].receipt})


@given(FATES, st.data())
def test_a_dead_letter_that_is_missing_or_of_another_reason_shows(fates: list[str], data: st.DataObject) -> None:
    log = Log(fates)
    inner = [o for o in log.dead_letters if any(s.receipt.first < o < s.receipt.last for s in log.shares)]
    assume(inner)
    letters = log.dead_letters
    offset = data.draw(st.sampled_from(inner))
    if data.draw(st.booleans()):
        del letters[offset]
    else:
        letters[offset] = "future"
    assert partition_problems(log.shares, letters, log.records, complete=True)


def test_while_windows_are_open_records_may_be_left_over_but_not_missing() -> None:
    log = Log(["10:30", "10:35", "10:30"])
    closed = [share for share in log.shares if share.window == "10:30"]
    assert partition_problems(closed, {}, log.records, complete=False) == []
    assert partition_problems(closed, {}, log.records, complete=True) == [
        "offsets 0 to 2: 2 counted and 0 refused are 2, but there are 3 records"
    ]
    assert partition_problems(log.shares, {}, lambda first, last: 2, complete=False) == [
        "offsets 0 to 2: 3 counted and 0 refused are 3, but there are 2 records"
    ]
    assert partition_problems(log.shares, {}, lambda first, last: None, complete=True) == []


def test_what_is_not_known_is_not_judged() -> None:
    unknown = [Share("10:30", PartitionReceipt(0, 2, 2, None))]
    assert partition_problems(unknown, {1: "late"}, lambda first, last: 3, complete=True) == []


def test_a_problem_names_window_offsets_and_numbers() -> None:
    log = Log(["10:30", "late", "10:30"])
    assert partition_problems(log.shares, {1: "not_json", 2: "late"}, log.records, complete=False) == [
        "window 10:30: offset 2 was counted, but is a dead letter, late",
        "window 10:30: refused between offsets 0 and 2 were 1 late, the dead letters are 1 not_json",
        "offsets 0 to 2: 2 counted and 2 refused are 4, but there are 3 records",
    ]
    assert result_problems(9, {3: PartitionReceipt(5, 4, 2, {"late": 1})}) == [
        "its receipt says that 2 events were counted, the result 9",
        "its receipt says that 3 records of partition 3 were counted or refused at the 0 offsets from 5 to 4",
    ]
