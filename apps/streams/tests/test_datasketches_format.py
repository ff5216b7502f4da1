"""Sketches that a processor with datasketches 5.2.0 wrote, recorded before it was replaced.

"ids 0 to 300" has the ids user-0 to user-299, in the three layouts that it chose by their number. "names that were cut"
has 32 slots instead of 2^17, because one of those that was cut takes a megabyte.
"""

import json
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from clickstream_streams.counts import PartialCounts, merged_metrics
from clickstream_streams.datasketches_format import is_of_datasketches, read_frequent_names, read_hyperloglog
from clickstream_streams.errors import UnreadableSketch
from clickstream_streams.sketches import (
    CountedNames,
    DistinctIds,
    IdsSnapshot,
    NamesSnapshot,
    count_distinct,
    id_hashes,
    most_frequent,
)

RECORDED = {
    name: zlib.decompress(b64decode(packed))
    for name, packed in json.loads(
        (Path(__file__).parent / "datasketches_5_2.json").read_text(encoding="utf-8")
    ).items()
}
IDS = [("ids 0 to 5", 5), ("ids 0 to 300", 300), ("ids 0 to 200000", 200_000)]


def recorded_ids(name: str) -> IdsSnapshot:
    return IdsSnapshot(sketch=RECORDED[name])


@pytest.mark.parametrize(("name", "count"), IDS)
def test_the_ids_of_an_earlier_version_are_estimated(name: str, count: int) -> None:
    estimate, approximate = count_distinct([recorded_ids(name)])
    assert approximate
    assert estimate == pytest.approx(count, rel=0.02)


def test_ids_that_several_of_them_hold_are_counted_once() -> None:
    assert count_distinct([recorded_ids(name) for name, _ in IDS]) == count_distinct([recorded_ids("ids 0 to 200000")])


def test_their_estimate_is_added_to_that_of_the_ids_that_this_version_has_counted() -> None:
    exact = IdsSnapshot(hashes=id_hashes([f"other-{number}" for number in range(40_000)]).tobytes())
    sketched = DistinctIds(1000)
    sketched.update([f"other-{number}" for number in range(20_000, 60_000)])
    estimate, approximate = count_distinct([recorded_ids("ids 0 to 200000"), exact, sketched.snapshot()])
    assert approximate
    assert estimate == pytest.approx(260_000, rel=0.02)


def test_the_names_of_an_earlier_version_are_counted_with_those_of_this_one() -> None:
    sketched, exact = CountedNames(1), CountedNames(10)
    sketched.update(["/page/18"] * 10 + ["/é"] * 30)
    exact.update(["/page/17"] * 20)
    snapshots = [NamesSnapshot(sketch=RECORDED["names"]), sketched.snapshot(), exact.snapshot()]
    assert most_frequent(snapshots, 4) == ({"/page/17": 38, "/é": 31, "/page/18": 29, "/page/19": 20}, True)


def test_what_was_taken_from_each_name_is_known() -> None:
    """The numbers are datasketches' own estimates; the events were 1000, 2000, 3000 and 4000."""
    found, _ = most_frequent([NamesSnapshot(sketch=RECORDED["names that were cut"])], 4)
    assert found == {"/often/3": 4008, "/often/2": 3008, "/often/1": 2008, "/often/0": 1008}


@pytest.mark.parametrize("name", RECORDED)
def test_a_sketch_that_was_cut_off_or_has_another_layout_is_an_error_of_its_own(name: str) -> None:
    sketch = RECORDED[name]
    read = read_hyperloglog if name.startswith("ids") else read_frequent_names
    other_mode = bytes([*sketch[:2], 99, *sketch[3:]])
    for broken in (sketch[:-1], sketch[: len(sketch) // 2], sketch[:8], other_mode):
        assert is_of_datasketches(broken) == (broken is not other_mode)
        with pytest.raises(UnreadableSketch):
            read(broken)


def test_a_partial_of_an_earlier_version_is_merged_whatever_is_in_it() -> None:
    names = NamesSnapshot(sketch=RECORDED["names"])
    for name, count in IDS:
        partial = PartialCounts(count, "7", {"click": count}, {}, names, names, recorded_ids(name), recorded_ids(name))
        partial.check_sketches()
        metrics = merged_metrics(0, 10_000, [partial, partial])
        assert (metrics.total_events, metrics.approximate) == (2 * count, True)
        assert metrics.unique_users == metrics.unique_sessions == pytest.approx(count, rel=0.02)
        assert next(iter(metrics.top_pages.items())) == ("/page/19", 40)
