from collections import defaultdict
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_statistics.counts import (
    NO_MINUTE,
    BatchRecord,
    Count,
    Group,
    Range,
    Snapshot,
    Totals,
    batch_record,
    restored,
)

RESULT = st.tuples(
    st.integers(1, 3), st.integers(1, 3), st.sampled_from([NO_MINUTE, 100, 101]), st.integers(0, 1)
)  # scenario, version, minute, success


def batches_of(results: list[tuple[int, int, int, int]], cuts: list[int]) -> list[BatchRecord]:
    """The results of one partition in batches that end at the cuts."""
    places = sorted({0, len(results), *(cut % (len(results) + 1) for cut in cuts)})
    made = []
    for number, (begin, end) in enumerate(pairwise(places)):
        groups = [
            Group(0, offset, offset, 1, scenario, version, minute, success)
            for offset, (scenario, version, minute, success) in enumerate(results[begin:end], start=begin)
        ]
        made.append(batch_record(number, groups))
    return made


@given(st.lists(RESULT, max_size=40), st.lists(st.integers(0, 100), max_size=5))
def test_totals_are_those_of_the_newest_version_however_results_are_cut(
    results: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    totals = Totals()
    for record in batches_of(results, cuts):
        totals.add(record)

    for scenario in {each[0] for each in results}:
        own = [each for each in results if each[0] == scenario]
        newest = max(version for _, version, _, _ in own)
        counted = [success for _, version, _, success in own if version == newest]
        found = totals.scenarios[scenario]
        assert (found.version, found.total, found.success) == (newest, len(counted), sum(counted))
    minutes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for scenario, _, minute, success in results:
        if minute != NO_MINUTE:
            minutes[scenario, minute].append(success)
    held = {(each, minute): counted for each, of_it in totals.minutes.items() for minute, counted in of_it.items()}
    assert held == {key: (len(found), sum(found)) for key, found in minutes.items()}
    assert totals.changed == held.keys()


@given(st.lists(RESULT, max_size=30), st.lists(st.integers(0, 100), max_size=4))
def test_restored_totals_go_on_like_those_that_never_ended(
    results: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    straight, resumed = Totals(), Totals()
    for record in batches_of(results, cuts):
        straight.add(record)
        resumed.add(record)
        stored = msgspec.json.decode(msgspec.json.encode(resumed.snapshot()), type=Snapshot)
        resumed = restored(stored)
    assert resumed.snapshot() == straight.snapshot()


def test_a_batch_is_summed_up_the_same_whatever_the_order_of_its_groups() -> None:
    groups = [
        Group(1, 7, 9, 2, 5, 1, 100, 1),
        Group(0, 3, 3, 1),
        Group(1, 5, 8, 3, 5, 1, 100, 2),
        Group(1, 6, 6, 1, 4, 2, 101, 0),
    ]
    record = batch_record(12, groups)
    assert record == batch_record(12, reversed(groups))
    assert record.ranges == {"0": Range(3, 3, 1), "1": Range(5, 9, 6)}
    assert list(record.counts) == [Count(4, 2, 101, 1, 0), Count(5, 1, 100, 5, 3)]
    assert (record.malformed, record.records) == (1, 7)


def test_minutes_are_forgotten_and_named() -> None:
    totals = Totals()
    totals.add(batch_record(0, [Group(0, 0, 0, 1, 5, 1, 100, 1), Group(0, 1, 1, 1, 5, 1, 101, 1)]))
    totals.changed.clear()
    totals.forget_before(101)
    assert totals.minutes == {5: {101: (1, 1)}}
    assert totals.changed == {(5, 100)}
    assert totals.scenarios[5].total == 2


def test_a_batch_counts_only_behind_the_one_before() -> None:
    totals = Totals()
    first = batch_record(0, [Group(0, 0, 4, 5, 5, 1, 100, 1)])
    totals.add(first)
    assert totals.follows(batch_record(1, [Group(0, 5, 6, 2), Group(1, 0, 0, 1)]))
    assert not totals.follows(batch_record(1, [Group(0, 4, 6, 2)]))
    with pytest.raises(ValueError, match="batch 0 does not follow 0"):
        totals.add(first)
