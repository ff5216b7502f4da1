from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_core.events import MAX_FIELD_BYTES, cut_name
from clickstream_streams import sketches
from clickstream_streams.sketches import (
    MOST_CHARACTERS,
    CountedNames,
    DistinctIds,
    IdsSnapshot,
    NamesSnapshot,
    count_distinct,
    id_hashes,
    most_frequent,
    ordered,
)


def ids_of(parts: Sequence[Sequence[str]], limit: int) -> list[IdsSnapshot]:
    snapshots = []
    for part in parts:
        ids = DistinctIds(limit)
        ids.update(part)
        snapshots.append(ids.snapshot())
    return snapshots


def names_of(parts: Sequence[Sequence[str]], limit: int) -> list[NamesSnapshot]:
    snapshots = []
    for part in parts:
        names = CountedNames(limit)
        names.update(part)
        snapshots.append(names.snapshot())
    return snapshots


# -- distinct ids -----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.text(max_size=5), max_size=20), max_size=4))
def test_ids_are_counted_exactly_up_to_the_limit_and_once_over_all_partitions(parts: list[list[str]]) -> None:
    assert count_distinct(ids_of(parts, limit=20)) == (len({each for part in parts for each in part}), False)


def test_as_many_ids_as_the_limit_are_exact_and_one_more_is_not() -> None:
    found = []
    ids = DistinctIds(100)
    for count in (100, 101):
        ids.update([f"user-{number}" for number in range(count)])
        found.append((ids.approximate, count_distinct([ids.snapshot()])[1]))
    assert found == [(False, False), (True, True)]


def test_ids_do_not_depend_on_the_batches_they_come_in() -> None:
    everything = [f"user-{number % 700}" for number in range(2000)]
    at_once, one_by_one = DistinctIds(500), DistinctIds(500)
    at_once.update(everything)
    for each in everything:
        one_by_one.update([each])
    assert count_distinct([at_once.snapshot()]) == count_distinct([one_by_one.snapshot()])


@pytest.mark.parametrize("count", [1_000, 30_000, 200_000])
def test_the_estimate_is_within_two_percent(count: int) -> None:
    estimate, approximate = count_distinct(ids_of([[f"user-{number}" for number in range(count)]], limit=100))
    assert approximate
    assert estimate == pytest.approx(count, rel=0.02)


def test_nineteen_of_twenty_estimates_of_a_union_are_within_two_percent() -> None:
    """Twenty unions of two sketches and an exact set that share a third of their ids."""
    close = 0
    for trial in range(20):
        parts = [
            [f"{trial}-{number}" for number in range(20_000)],
            [f"{trial}-{number}" for number in range(10_000, 30_000)],
            [f"{trial}-{number}" for number in range(29_900, 30_100)],
        ]
        estimate, _ = count_distinct(ids_of(parts, limit=1000))
        close += abs(estimate - 30_100) <= 0.02 * 30_100
    assert close >= 19


def test_the_memory_of_a_sketch_does_not_grow_with_the_ids() -> None:
    few, many = (ids_of([[f"user-{number}" for number in range(count)]], limit=100)[0] for count in (20_000, 200_000))
    assert len(many.sketch) <= len(few.sketch) * 1.01 <= 40_000


def test_long_ids_are_counted_exactly_in_bounded_memory() -> None:
    ids, length = DistinctIds(100_000), 256
    many = 2 * MOST_CHARACTERS // length
    for first in range(0, many, 500):
        ids.update([f"{number:08}" * (length // 8) for number in range(first, min(first + 500, many))] * 2)
    assert sum(map(len, ids._ids)) <= MOST_CHARACTERS
    assert ids.size_bytes == 8 * many
    again = DistinctIds(100_000)
    again.update([f"{number:08}" * (length // 8) for number in range(3)])
    assert count_distinct([ids.snapshot(), again.snapshot()]) == (many, False)


def test_long_ids_beyond_the_limit_are_estimated_too() -> None:
    ids = DistinctIds(5_000)
    for first in range(0, 10_000, 500):
        ids.update([f"{number:08}" * 32 for number in range(first, first + 500)])
    estimate, approximate = count_distinct([ids.snapshot()])
    assert approximate
    assert estimate == pytest.approx(10_000, rel=0.02)


def test_hashes_are_the_same_in_every_process() -> None:
    """The value of the empty text is the one that XXH3's own tests have."""
    assert list(id_hashes([""])) == [0x2D06800538D394C2]
    assert list(id_hashes(["user-1"])) == [2**63 - 254_992_409_887_709_751]


# -- counted names ----------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=30), max_size=4), st.integers(1, 9))
def test_names_are_counted_exactly_up_to_the_limit(parts: list[list[str]], top: int) -> None:
    counts = Counter(name for part in parts for name in part)
    expected = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top])
    found, approximate = most_frequent(names_of(parts, limit=8), top)
    assert list(found.items()) == list(expected.items())
    assert not approximate


def test_as_many_names_as_the_limit_are_exact_and_one_more_is_not() -> None:
    found = []
    names = CountedNames(100)
    for count in (100, 101):
        names.update([f"/{number}" for number in range(count)])
        found.append((names.approximate, most_frequent([names.snapshot()], 5)[1]))
    assert found == [(False, False), (True, True)]


def test_beyond_the_limit_the_largest_counts_are_off_by_no_more_than_stated() -> None:
    """300,000 names in three partitions, more than the sketch has slots for; a few are frequent in all of them."""
    parts = []
    for partition in range(3):
        names = CountedNames(1000)
        names.update([f"/rare/{partition}/{number}" for number in range(100_000)])
        names.update(Counter({f"/{number}": 1000 - 100 * number for number in range(8)}).elements())
        parts.append(names.snapshot())
    found, approximate = most_frequent(parts, 5)
    assert approximate
    assert list(found) == ["/0", "/1", "/2", "/3", "/4"]
    events = 3 * (100_000 + sum(1000 - 100 * number for number in range(8)))
    for number in range(5):
        assert abs(found[f"/{number}"] - 3 * (1000 - 100 * number)) <= 0.0011 * events


@pytest.mark.parametrize("limit", [1, 100])
def test_long_names_that_earlier_versions_wrote_are_those_that_are_cut_now(limit: int) -> None:
    long = "x" * MAX_FIELD_BYTES
    earlier = NamesSnapshot({long: 2, f"{long}y": 1, "/": 1})
    now = CountedNames(limit)
    now.update(["/", "/", cut_name(long)])
    assert most_frequent([earlier, now.snapshot()], 2) == ({cut_name(long): 3, "/": 3}, limit == 1)


def test_ids_of_more_partitions_and_additions_than_can_be_united_are_estimated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sketches, "MOST_MERGED_IDS", 300)
    parts = ids_of([[f"{part}-{number}" for number in range(100)] for part in range(4)], limit=100)
    assert count_distinct(parts[:3]) == (300, False)
    estimate, approximate = count_distinct(parts)
    assert approximate
    assert estimate == pytest.approx(400, rel=0.02)


def test_an_exact_partition_and_a_sketch_are_added_up() -> None:
    many = CountedNames(10)
    many.update([f"/{number}" for number in range(20)])
    few = CountedNames(10)
    few.update(["/7"] * 5)
    assert most_frequent([few.snapshot(), many.snapshot()], 1) == ({"/7": 6}, True)


def test_names_of_equal_count_are_in_the_order_of_the_alphabet() -> None:
    assert list(ordered({"b": 1, "a": 1, "c": 2})) == ["c", "a", "b"]
    assert list(ordered({"b": 1, "a": 1, "c": 2}, 2)) == ["c", "a"]
