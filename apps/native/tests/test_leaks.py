"""Nothing of what was fetched is kept longer than it is needed, after errors too."""

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from mutations import NOW, USUAL
from record_batches import HEADER_BYTES, built, compressed, with_payload
from reference import FOREVER, Case, clickstream_native

from clickstream_streams.windows import NEVER

PLAIN = built([(NOW, b"key", value, [("h", b"v")]) for value in (USUAL, b"garbage", None)])


def take(fetched: bytes, judge: Any = lambda _, *state: (*state, 0, None)) -> None:
    batch = clickstream_native.Batch(fetched, 0, len(fetched), 0, 10**6)
    records = [*batch, *batch[1:]]
    Case().counter().take(batch, FOREVER, NEVER, FOREVER, FOREVER, judge)
    Case().counter().take(records, FOREVER, NEVER, FOREVER, FOREVER, judge)


def broken_judge(*_: Any) -> Any:
    raise KeyError("judge")


@pytest.mark.parametrize("fetched", [PLAIN, compressed(PLAIN)])
@pytest.mark.parametrize("judge", [lambda _, *state: (*state, 0, None), broken_judge, lambda *_: None])
def test_fetched_bytes_are_released(fetched: bytes, judge: Any) -> None:
    before = sys.getrefcount(fetched)
    for _ in range(10):
        try:
            take(fetched, judge)
        except (KeyError, TypeError):
            gc.collect()
    assert sys.getrefcount(fetched) == before


@pytest.mark.parametrize(
    "fetched",
    [
        PLAIN[:HEADER_BYTES],
        with_payload(PLAIN, PLAIN[HEADER_BYTES:-1]),
        with_payload(compressed(PLAIN), compressed(PLAIN)[HEADER_BYTES:-1], attributes=3),
        compressed(built([(NOW, None, bytes(2 * 10**6), [])])),
        b"",
    ],
)
def test_bytes_that_cannot_be_read_are_released(fetched: bytes) -> None:
    before = sys.getrefcount(fetched)
    for _ in range(10):
        with pytest.raises(ValueError, match="."):
            take(fetched)
    assert sys.getrefcount(fetched) == before


def test_a_batch_and_a_record_keep_what_they_need() -> None:
    fetched = bytes(bytearray(PLAIN))
    batch = clickstream_native.Batch(fetched, 0, len(fetched), 0, 10**6)
    del fetched
    record = batch[0]
    del batch
    assert (record.key, record.value, record.headers) == (b"key", USUAL, [("h", b"v")])


def test_a_judge_and_its_records_are_released() -> None:
    class Judge:
        def __call__(self, record: Any, *state: Any) -> Any:
            return *state, 0, None

    judge = Judge()
    seen = weakref.ref(judge)
    take(PLAIN, judge)
    del judge
    assert seen() is None


def test_many_batches_take_no_more_memory_than_one(peak_memory: Callable[[], int]) -> None:
    fetched, bad = compressed(built([(NOW, b"key", USUAL, [])] * 300)), compressed(PLAIN)[:-1]

    def work() -> None:
        for _ in range(300):
            take(fetched)
            with pytest.raises(ValueError, match="."):
                take(bad)

    work()
    before = peak_memory()
    for _ in range(5):
        work()
    assert peak_memory() - before < 4 * 2**20
