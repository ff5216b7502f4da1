import json

import pytest

from clickstream_statistics.offset_log import first_offsets, with_ends

BATCH = '{"batchWatermarkMs":0,"batchTimestampMs":1795800040147,"conf":{"spark.sql.shuffle.partitions":"2"}}'
FILE = f'v1\n{BATCH}\n{{"results":{{"0":1205,"1":643}}}}'


def test_the_ends_become_those_of_the_ledger_and_the_rest_stays() -> None:
    version, batch, ends = with_ends(FILE, "results", {"0": 3, "1": 0, "2": 9}, {"0": 1204}).split("\n")
    assert (version, batch) == ("v1", BATCH)
    assert json.loads(ends) == {"results": {"0": 1204, "1": 0, "2": 9}}


def test_where_reading_began_is_behind_a_zero_byte() -> None:
    assert first_offsets('\0v1\n{"results":{"0":3,"1":0}}', "results") == {"0": 3, "1": 0}


@pytest.mark.parametrize("content", [FILE.replace("v1", "v2"), f"{FILE}\n{{}}", FILE.replace("results", "other")])
def test_another_form_is_left_alone(content: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        with_ends(content, "results", {}, {})
