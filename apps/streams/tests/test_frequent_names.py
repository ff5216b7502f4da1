from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.events import MAX_NAME_BYTES
from clickstream_streams.errors import UnreadableSketch
from clickstream_streams.frequent_names import (
    LARGEST_NAME_BYTES,
    MOST_SKETCH_BYTES,
    NAME_BYTES,
    FrequentNames,
    SizedCounts,
    decode_frequent_names,
)

ROOM = 8
"""Names of one letter that a sketch of these tests has room for."""

lists = st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=40), max_size=8)


def small_sketch() -> FrequentNames:
    return FrequentNames(most_bytes=ROOM * (1 + NAME_BYTES))


@given(st.lists(lists, min_size=1, max_size=3))
def test_no_count_is_too_small_or_too_large_by_more_than_two_in_as_many_as_there_is_room_for(
    partitions: list[list[list[str]]],
) -> None:
    truth, merged = Counter[str](), small_sketch()
    for batches in partitions:
        sketch = small_sketch()
        for batch in batches:
            sketch.add(batch)
            truth.update(batch)
        merged.unite(decode_frequent_names(sketch.encode()))
    found, bound = merged.estimates(), 2 / ROOM * truth.total()
    for name, count in truth.items():
        assert count <= found.get(name, bound) <= count + bound


def test_a_frequent_name_is_found_among_many_that_are_rare() -> None:
    sketch = small_sketch()
    for number in range(1000):
        sketch.add(["often", f"{number}"])
    assert len(sketch.estimates()) <= ROOM + 2
    assert max(sketch.estimates().items(), key=lambda item: item[1])[0] == "often"


def test_names_of_which_none_is_frequent_still_have_some_to_show() -> None:
    merged = small_sketch()
    for partition in range(5):
        sketch = small_sketch()
        sketch.add([f"{partition}-{number}" for number in range(ROOM)])
        merged.unite(sketch)
        assert merged.estimates()


def test_the_error_is_below_what_is_stated_where_all_names_are_as_long_as_can_be() -> None:
    sketch, events = FrequentNames(), 0
    for first in range(0, 20_000, 1_000):
        sketch.add([f"{number:0{MAX_NAME_BYTES}}" for number in range(first, first + 1_000)] + ["often"] * 10)
        events += 1_010
    assert sketch.size_bytes <= MOST_SKETCH_BYTES + 1_000 * LARGEST_NAME_BYTES
    assert 200 <= sketch.estimates()["often"] <= 200 + 0.0011 * events


@given(st.lists(st.lists(st.text(max_size=4), max_size=20), max_size=4))
def test_the_size_of_counts_is_never_less_than_what_is_encoded(batches: list[list[str]]) -> None:
    sized = SizedCounts()
    for batch in batches:
        sized.add(batch)
    frame = 5
    assert len(msgspec.msgpack.encode(sized.counts)) <= sized.size_bytes + frame
    assert sized.size_bytes == SizedCounts(sized.counts).size_bytes


@pytest.mark.parametrize("sketch", [b"", b"c", b"c\x92\x00", b"c\x92\x00\x80\x00", b"c\x91\x00", b"\xffabc"])
def test_other_bytes_are_an_error_of_their_own(sketch: bytes) -> None:
    with pytest.raises(UnreadableSketch, match=f"a sketch of {len(sketch)} bytes"):
        decode_frequent_names(sketch)
