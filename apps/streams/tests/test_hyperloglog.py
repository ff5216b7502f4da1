import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams.errors import UnreadableSketch
from clickstream_streams.hyperloglog import REGISTERS, HyperLogLog, decode_hyperloglog

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=300)


def sketch_of(numbers: Sequence[int]) -> HyperLogLog:
    sketch = HyperLogLog()
    sketch.add(numbers)
    return sketch


def test_nothing_is_estimated_as_nothing() -> None:
    assert HyperLogLog().estimate() == 0
    assert decode_hyperloglog(HyperLogLog().encode()).estimate() == 0


@pytest.mark.parametrize(("count", "trials"), [(1, 20), (100, 20), (5_000, 20), (50_000, 20), (100_000, 20)])
def test_estimates_have_the_stated_error_and_no_bias(count: int, trials: int) -> None:
    """Of random hashes; between 2 and 5 for each register is where older estimators are biased."""
    generator = random.Random(count)
    sketches = [sketch_of([generator.getrandbits(64) for _ in range(count)]) for _ in range(trials)]
    errors = [sketch.estimate() / count - 1 for sketch in sketches]
    assert sum(abs(error) <= 0.012 for error in errors) >= 0.9 * trials
    assert abs(sum(errors)) / trials <= 3 * 0.0057 / trials**0.5
    assert all(abs(error) <= 0.02 for error in errors)


@given(hashes, hashes)
def test_united_sketches_are_the_sketch_of_all_hashes(some: list[int], others: list[int]) -> None:
    united = sketch_of(some)
    united.unite(sketch_of(others))
    assert united.registers == sketch_of(some + others).registers


def test_of_each_register_the_larger_rank_is_kept() -> None:
    ours, theirs, generator = HyperLogLog(), HyperLogLog(), random.Random(1)
    ours.registers[:] = bytes(rank & 63 for rank in generator.randbytes(REGISTERS))
    theirs.registers[:] = bytes(rank & 63 for rank in generator.randbytes(REGISTERS))
    expected = bytes(map(max, ours.registers, theirs.registers))
    ours.unite(theirs)
    assert ours.registers == expected


@pytest.mark.parametrize("count", [0, 1, 1000, REGISTERS // 4, REGISTERS // 3, 10 * REGISTERS])
def test_a_sketch_is_what_was_written_in_no_more_bytes_than_it_has_registers(count: int) -> None:
    generator = random.Random(count)
    sketch = sketch_of([generator.getrandbits(64) for _ in range(count)])
    encoded = sketch.encode()
    assert decode_hyperloglog(encoded).registers == sketch.registers
    assert len(encoded) <= 1 + min(4 * count, REGISTERS)


@pytest.mark.parametrize("hash_", [0, 1, 2**64 - 1, 2**15 - 1, 2**15])
def test_every_hash_has_a_register_and_a_rank(hash_: int) -> None:
    sketch = sketch_of([hash_])
    assert 1 <= sketch.registers[hash_ % REGISTERS] <= 50
    assert round(sketch.estimate()) == 1


@pytest.mark.parametrize(
    "sketch",
    [
        b"",
        b"r",
        b"r" + bytes(REGISTERS - 1),
        b"r" + b"\x80" * REGISTERS,
        b"sabc",
        b"s" + b"\xff" * 4,
        b"\xff" + bytes(32),
    ],
)
def test_other_bytes_are_an_error_of_their_own(sketch: bytes) -> None:
    with pytest.raises(UnreadableSketch, match=f"a sketch of {len(sketch)} bytes"):
        decode_hyperloglog(sketch)
