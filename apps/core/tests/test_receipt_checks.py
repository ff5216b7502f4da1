import msgspec
import pytest

from clickstream_core.receipt_checks import result_problems
from clickstream_core.receipts import PartitionReceipt

RIGHT = {0: PartitionReceipt(0, 4, 3, {"late": 1}), 2: PartitionReceipt(7, 7, 1, None)}


def test_a_right_receipt_has_no_problems() -> None:
    assert result_problems(4, RIGHT) == []


@pytest.mark.parametrize(
    "changes",
    [{"counted": 5}, {"counted": 1}, {"last": 2}, {"first": 5}, {"refused": {"late": 2, "not_json": 1}}],
)
def test_numbers_that_contradict_each_other_show(changes: dict[str, object]) -> None:
    wrong = msgspec.structs.replace(RIGHT[0], **changes)
    assert result_problems(wrong.counted + 1, {**RIGHT, 0: wrong})


def test_a_problem_names_partition_offsets_and_numbers() -> None:
    assert result_problems(9, {3: PartitionReceipt(5, 4, 2, {"late": 1})}) == [
        "its receipt says that 2 events were counted, the result 9",
        "its receipt says that 3 records of partition 3 were counted or refused at the 0 offsets from 5 to 4",
    ]
