"""Native code and Python agree on the same bytes, whatever these are; `fuzz.py` looks for more."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import NOW, random_timestamp, random_value
from record_batches import built, compressed, read
from reference import FOREVER, Case, assert_equal, by_native, by_python, native_batch

from clickstream_streams.counting import Bounds
from clickstream_streams.windows import NEVER, CountingRules

cases = st.builds(
    Case,
    rules=st.builds(
        CountingRules,
        st.sampled_from([1000, 7_000, 30_000, 86_400_000]),
        st.sampled_from(["event", "arrival"]),
        st.just(60_000),
    ),
    bounds=st.builds(
        Bounds,
        over=st.sampled_from([NEVER, NOW - 30_000]),
        behind=st.sampled_from([0, 5_000, 60_000, FOREVER]),
        believed_to=st.sampled_from([NOW, FOREVER]),
        end_offset=st.sampled_from([30, 2**63 - 1]),
    ),
)


@settings(max_examples=150, deadline=None)
@given(case=cases, seed=st.integers(0, 2**64), batches=st.integers(1, 3), size=st.integers(1, 40))
def test_both_count_and_refuse_the_same(case: Case, seed: int, batches: int, size: int) -> None:
    random = Random(seed)
    plain = [
        built([(random_timestamp(random), b"key", random_value(random), []) for _ in range(size)], number * size)
        for number in range(batches)
    ]
    python = by_python([read(batch) for batch in plain], case)
    assert_equal(by_python([read(batch) for batch in plain], case, each=True), python)
    assert_equal(by_native([native_batch(batch) for batch in plain], case), python)
    assert_equal(by_native([native_batch(compressed(batch)) for batch in plain], case), python)
    assert_equal(by_native([read(batch) for batch in plain], case), python)


@settings(max_examples=150, deadline=None)
@given(values=st.lists(st.binary(max_size=300) | st.text(max_size=100).map(str.encode), min_size=1, max_size=20))
def test_both_agree_on_any_bytes(values: list[bytes]) -> None:
    batch = built([(NOW, None, value, []) for value in values])
    assert_equal(by_native([native_batch(batch)], Case()), by_python([read(batch)], Case()))
