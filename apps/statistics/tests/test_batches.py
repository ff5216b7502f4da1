import traceback
from typing import Any

import pytest

from clickstream_statistics.batches import Batches, Shape
from clickstream_statistics.ledger import Ledger
from clickstream_statistics.storage import Storage


def test_spark_gets_a_short_error_and_the_job_the_real_one(files: Storage) -> None:
    def fails(_: Any) -> Any:
        raise ValueError("a trace\n" * 1000)

    shape = Shape(fails, fails, fails, keeps_malformed=True)
    batches = Batches(shape, Ledger(files, "file:///c"), files, "file:///p", "file:///s")
    records: Any = None
    with pytest.raises(RuntimeError) as raised:
        batches(records, 0)
    assert "a trace" not in "".join(traceback.format_exception(raised.value))
    assert isinstance(batches.error, ValueError)
