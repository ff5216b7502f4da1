"""What is counted of single records: as Python counts them, or judged by it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from mutations import EVENT, NOW, USUAL, odd_values
from record_batches import Made, built, compressed, read
from reference import (
    BOUNDS,
    FOREVER,
    RULES,
    Case,
    Result,
    assert_equal,
    by_native,
    by_python,
    clickstream_native,
    native_batch,
)

from clickstream_kafka.records import OversizedRecord
from clickstream_streams.counting import Bounds
from clickstream_streams.windows import NEVER, CountingRules


def compared(records: list[Made], case: Case | None = None) -> Result:
    """Count the records natively, as a batch and as objects, compare with Python, and return the batch's result."""
    case = case or Case()
    batch = built(records)
    python = by_python([read(batch)], case)
    assert_equal(by_python([read(batch)], case, each=True), python)
    assert_equal(by_native([read(batch)], case), python)
    native = by_native([native_batch(batch)], case)
    assert_equal(native, python)
    return native


def value(**fields: Any) -> bytes:
    return json.dumps(EVENT | fields, separators=(",", ":"), ensure_ascii=False).encode()


def made(content: bytes | None, arrived: int = NOW) -> Made:
    return arrived, b"user_0001", content, []


def test_every_odd_value_is_counted_or_refused_as_python_does() -> None:
    result = compared([made(content) for content in odd_values()])
    assert len(result.refused) > 1000
    assert sum(events for events, _, _ in result.spans.values()) > 1000


@pytest.mark.parametrize("rules", [RULES, CountingRules(30_000, "arrival", 60_000), CountingRules(7_000, "event", 0)])
@pytest.mark.parametrize("behind", [0, 20_000, FOREVER])
@pytest.mark.parametrize("believed_to", [NOW, FOREVER])
def test_windows_and_the_watermark_are_those_of_python(rules: CountingRules, behind: int, believed_to: int) -> None:
    times = [
        "10:30:45.123Z",
        "10:29:00Z",
        "10:31:30+00:00",
        "10:30:59.999Z",
        "10:31:00.000Z",
        "10:45:00Z",
        "10:28:59.9Z",
    ]
    arrivals = [NOW, NOW + 30_000, NOW - 30_000, -1, 0, 2**63 - 1, -(2**63), 10**17, -(10**17), 253_402_300_799_999]
    records = [made(value(timestamp=f"2024-10-26T{time}"), arrived) for arrived in arrivals for time in times]
    years = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:29.999Z", "9999-12-31T23:59:29.999Z", "9999-12-31T23:59:30Z"]
    records += [made(value(timestamp=year), arrived) for year in years for arrived in (NOW, 253_402_300_799_999)]
    case = Case(rules, Bounds(NOW - 100_000, behind, believed_to, end_offset=2**63 - 1))
    compared(records + records[::-1], case)


def test_usual_records_are_not_judged() -> None:
    values = [
        USUAL,
        value(page_url="/한국어/😀"),
        json.dumps(EVENT | {"page_url": "/한국어/😀"}).encode(),
        json.dumps(dict(reversed(EVENT.items())), indent=2).encode(),
        value(timestamp="2024-10-26 19:30:45+0900"),
        USUAL[:-1] + b',"user_id":"user_0002","more":{"a":[1,-2.5,null,true,{}]}}',
    ]
    result = compared([made(content) for content in values])
    assert result.judged == 0
    assert result.spans == {1_729_938_630_000: (6, 0, 5)}


def test_only_records_below_the_end_offset_are_taken() -> None:
    result = compared(
        [made(USUAL), made(b"garbage"), made(USUAL), made(b"garbage")], Case(bounds=replace(BOUNDS, end_offset=2))
    )
    assert result.spans == {1_729_938_630_000: (1, 0, 0)}
    assert [refused[0] for refused in result.refused] == [1]


def test_a_judge_sees_the_state_before_the_record_and_sets_the_state_after_it() -> None:
    calls: list[tuple[Any, ...]] = []
    end = 1_729_938_660_000

    def judge(record: Any, highest: int, ahead: bool, over: int) -> tuple[int, bool, int, int, None]:
        calls.append((record.offset, highest, ahead, over))
        return highest, True, end, 0, None

    batch = native_batch(built([made(USUAL), made(None), made(USUAL), made(b"")]))
    counter = Case().counter()
    taken = counter.take(batch, 2**63 - 1, NEVER, FOREVER, FOREVER, judge)
    assert calls == [(1, NOW, False, NEVER), (2, NOW, True, end), (3, NOW, True, end)]
    assert taken == (NOW, True, [(1_729_938_630_000, 1, 0, 0)], [])


def test_a_record_of_an_oversized_batch_is_judged() -> None:
    records = [OversizedRecord(7, NOW), OversizedRecord(8, NOW)]
    native = by_native([records], Case())
    assert_equal(native, by_python([records], Case()))
    assert [reason for *_, reason, _ in native.refused] == ["too_large", "too_large"]


def test_what_a_judge_raises_is_raised() -> None:
    def judge(*_: Any) -> Any:
        raise KeyError("judge")

    with pytest.raises(KeyError, match="judge"):
        Case().counter().take(native_batch(built([made(None)])), 9, NEVER, FOREVER, FOREVER, judge)


@pytest.mark.parametrize("answer", [None, (1, False), (1, False, 1, 1, USUAL), ("1", False, 1, 1, None)])
def test_a_wrong_answer_of_a_judge_is_an_error(answer: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        Case().counter().take(native_batch(built([made(None)])), 9, NEVER, FOREVER, FOREVER, lambda *_: answer)


def test_a_judge_cannot_use_the_counter_that_asks_it() -> None:
    counter = Case().counter()
    with pytest.raises(RuntimeError, match="borrowed"):
        counter.take(native_batch(built([made(None)])), 9, NEVER, FOREVER, FOREVER, lambda *_: counter.drain(0))


def test_windows_over_a_limit_must_be_drained() -> None:
    counter = clickstream_native.Counter(30_000, 60_000, False, 10)

    def full(**names: str) -> list[int]:
        records = [made(value(**{field: name % number for field, name in names.items()})) for number in range(11)]
        ten, one = native_batch(built(records[:10])), native_batch(built(records[10:]))
        assert counter.take(ten, FOREVER, NEVER, FOREVER, FOREVER, None)[3] == []
        windows: list[int] = counter.take(one, FOREVER, NEVER, FOREVER, FOREVER, None)[3]
        counter.clear()
        return windows

    window = 1_729_938_630_000
    for field in ("user_id", "session_id", "page_url", "referrer"):
        assert full(**{field: "name %d"}) == [window]
    assert full(event_type="name %d") == []


def test_windows_are_drained_one_by_one() -> None:
    records = [made(value(timestamp=f"2024-10-26T10:{minute:02}:00Z", duration_ms=minute)) for minute in range(30)] * 2
    counter = Case().counter()
    counter.take(native_batch(built(records)), FOREVER, NEVER, FOREVER, FOREVER, None)
    starts = [NOW - NOW % 60_000 - (30 - minute) * 60_000 for minute in range(30)]
    for minute, start in [*enumerate(starts)][::3] + [*enumerate(starts)][1::3]:
        assert counter.drain(start)[:2] == (2, 2 * minute)
        assert counter.drain(start) is None
    counter.clear()
    assert [counter.drain(start) for start in starts] == [None] * 30


def test_a_sum_of_durations_may_pass_64_bits() -> None:
    counter = Case().counter()
    counter.take(native_batch(built([made(value(duration_ms=2**63 - 1))] * 5)), FOREVER, NEVER, FOREVER, FOREVER, None)
    assert counter.drain(1_729_938_630_000)[1] == 5 * (2**63 - 1)


def test_a_window_size_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="window_size"):
        Case(CountingRules(0, "event", 0)).counter()


def test_compressed_batches_are_counted_alike() -> None:
    batch = built([made(content) for content in odd_values()])
    case = Case()
    assert_equal(by_native([native_batch(compressed(batch))], case), by_native([native_batch(batch)], case))
