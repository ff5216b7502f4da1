from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams import frequent_names
from clickstream_streams.errors import UnreadableSketch
from clickstream_streams.frequent_names import FrequentNames, decode_frequent_names

lists = st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=40), max_size=8)


@pytest.fixture
def room_for_eight(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(frequent_names, "MOST_NAMES", 8)
    return 8


@given(st.lists(lists, min_size=1, max_size=3))
def test_no_count_is_too_small_or_too_large_by_more_than_two_in_as_many_as_there_is_room_for(
    partitions: list[list[list[str]]],
) -> None:
    room, truth, merged = 8, Counter[str](), FrequentNames()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequent_names, "MOST_NAMES", room)
        for batches in partitions:
            sketch = FrequentNames()
            for batch in batches:
                sketch.add(batch)
                truth.update(batch)
            merged.unite(decode_frequent_names(sketch.encode()))
    found, bound = merged.estimates(), 2 / room * truth.total()
    for name, count in truth.items():
        assert count <= found.get(name, bound) <= count + bound


def test_a_frequent_name_is_found_among_many_that_are_rare(room_for_eight: int) -> None:
    sketch = FrequentNames()
    for number in range(1000):
        sketch.add(["often", f"{number}"])
    assert len(sketch.estimates()) <= room_for_eight + 2
    assert max(sketch.estimates().items(), key=lambda item: item[1])[0] == "often"


def test_names_of_which_none_is_frequent_still_have_some_to_show(room_for_eight: int) -> None:
    merged = FrequentNames()
    for partition in range(5):
        sketch = FrequentNames()
        sketch.add([f"{partition}-{number}" for number in range(room_for_eight)])
        merged.unite(sketch)
        assert merged.estimates()


@pytest.mark.parametrize("sketch", [b"", b"c", b"c\x92\x00", b"c\x92\x00\x80\x00", b"c\x91\x00", b"\xffabc"])
def test_other_bytes_are_an_error_of_their_own(sketch: bytes) -> None:
    with pytest.raises(UnreadableSketch, match=f"a sketch of {len(sketch)} bytes"):
        decode_frequent_names(sketch)
