from collections.abc import Callable

import msgspec
import pytest

from clickstream_core.events import CountedEvent
from clickstream_core.window_metrics import WindowMetrics
from clickstream_streams.commits import MergeCommit
from clickstream_streams.counts import PartialCounts, WindowCounts, merged_metrics
from clickstream_streams.errors import UnreadablePartial
from clickstream_streams.merging import Merge
from clickstream_streams.partials import InternalRecord, Partial, PartialPart, WatermarkRecord, split
from clickstream_streams.sketches import IdsSnapshot, NamesSnapshot
from clickstream_streams.windows import NEVER, CountingRules

RULES = CountingRules(10_000, "event", 1_000)
OTHER_RULES = CountingRules(5_000, "event", 1_000)

Records = list[InternalRecord]
Log = list[tuple[int, InternalRecord]]


def counts(events: int, user: str = "user") -> PartialCounts:
    window = WindowCounts(1000)
    window.add([CountedEvent("", user, "session", "click", "/", "direct", "mobile", 100)] * events)
    return window.snapshot()


def partial(
    partition: int, window: int, events: int, *, rules: CountingRules = RULES, whole: bool = True
) -> list[PartialPart]:
    return list(split(rules, partition, window, Partial(counts(events, f"user-{partition}"), whole)))


def addition(partition: int, window: int, events: int) -> list[PartialPart]:
    return partial(partition, window, events, whole=False)


def reached(partition: int, watermark: int, final_before: int = NEVER) -> WatermarkRecord:
    return WatermarkRecord(RULES, partition, watermark, final_before)


@pytest.fixture
def log() -> Log:
    return []


@pytest.fixture
def merge() -> Merge:
    return Merge(MergeCommit(rules=RULES, replay_from=0), [], 2)


Write = Callable[..., None]


@pytest.fixture
def write(merge: Merge, log: Log) -> Write:
    def write(*records: InternalRecord) -> None:
        for record in records:
            log.append((len(log), record))
            merge.apply(*log[-1])

    return write


def restored(commit: MergeCommit, offset: int, log: Log, emitted: list[WindowMetrics], partitions: int = 2) -> Merge:
    merge = Merge(commit, emitted, partitions)
    for place, record in log[commit.replay_from : offset]:
        merge.apply(place, record)
    merge.settle(0, whole=commit.replay_from == 0)
    return merge


def owed(merge: Merge, now: int = 0) -> list[WindowMetrics]:
    return [result.metrics for result in merge.results(merge.due(now), now)]


def shown(results: list[WindowMetrics]) -> list[tuple[str, int, int]]:
    return [(metrics.window_start[-3:-1], metrics.revision, metrics.total_events) for metrics in results]


# -- closing ----------------------------------------------------------------------------------------------------------


def test_a_window_closes_when_all_partitions_have_reached_its_end(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000))
    assert owed(merge) == []
    write(*partial(1, 0, 4), reached(1, 9_999))
    assert not merge.has_first_results()
    assert owed(merge) == []
    write(reached(1, 10_000))
    assert merge.has_first_results()
    (metrics,) = owed(merge)
    assert (metrics.window_start, metrics.window_end) == ("1970-01-01T00:00:00Z", "1970-01-01T00:00:10Z")
    assert (metrics.total_events, metrics.unique_users, metrics.revision) == (7, 2, 0)
    assert not merge.has_first_results()


def test_a_result_is_given_once(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 3)]
    assert owed(merge) == []


def test_several_windows_close_oldest_first(merge: Merge, write: Write) -> None:
    write(*partial(0, 20_000, 1), *partial(0, 0, 2), *partial(0, 10_000, 3), reached(0, 30_000), reached(1, 30_000))
    assert shown(owed(merge)) == [("00", 0, 2), ("10", 0, 3), ("20", 0, 1)]


def test_a_window_without_events_has_no_result(merge: Merge, write: Write) -> None:
    write(reached(0, 50_000), reached(1, 50_000))
    assert owed(merge) == []


def test_a_partition_without_events_in_a_window_is_waited_for_and_counts_nothing(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, NEVER))
    assert owed(merge) == []
    write(reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 3)]


def test_a_partition_that_was_added_holds_windows_open_until_it_is_heard_from(merge: Merge, write: Write) -> None:
    merge.partitions = 3
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    assert owed(merge) == []
    write(*partial(2, 0, 5), reached(2, 10_000))
    assert shown(owed(merge)) == [("00", 0, 8)]


def test_a_partition_heard_from_before_the_topic_was_counted_again_holds_windows_open(
    merge: Merge, write: Write
) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000), reached(2, 5_000))
    assert owed(merge) == []


def test_records_of_other_rules_are_ignored(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3, rules=OTHER_RULES), WatermarkRecord(OTHER_RULES, 0, 50_000, 50_000))
    write(reached(0, 10_000), reached(1, 10_000))
    assert owed(merge) == []
    assert merge.commit(6).final_before == NEVER


# -- revisions --------------------------------------------------------------------------------------------------------


def test_a_changed_partial_makes_the_next_revision(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 3)]
    write(*partial(0, 0, 5), reached(0, 12_000))
    assert not merge.has_first_results(), "a revision may wait for others"
    assert shown(owed(merge)) == [("00", 1, 5)]
    write(*partial(1, 0, 1), reached(1, 12_000))
    assert shown(owed(merge)) == [("00", 2, 6)]


def test_changes_close_together_share_a_revision(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    owed(merge)
    write(*partial(0, 0, 4), reached(0, 11_000), *partial(0, 0, 5), reached(0, 12_000), *partial(1, 0, 1))
    write(reached(1, 12_000))
    assert shown(owed(merge)) == [("00", 1, 6)]


def test_additions_add_up_with_what_the_partition_had_counted(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), *partial(1, 0, 2), reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 5)]
    write(*addition(0, 0, 1), *addition(0, 0, 1), reached(0, 11_000), *addition(1, 0, 2), reached(1, 11_000))
    (metrics,) = owed(merge)
    assert (metrics.total_events, metrics.unique_users, metrics.event_types) == (9, 2, {"click": 9})


def test_a_partition_that_had_counted_nothing_may_begin_with_an_addition(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000), *addition(1, 0, 2), reached(1, 11_000))
    assert shown(owed(merge)) == [("00", 0, 5)]


def test_a_whole_partial_replaces_what_the_partition_had_counted_and_added(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), *addition(0, 0, 1), reached(0, 11_000), reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 4)]
    write(*partial(0, 0, 5), reached(0, 10_000), *addition(0, 0, 1), reached(0, 11_000))
    assert shown(owed(merge)) == [("00", 1, 6)]


def test_revisions_of_a_window_are_as_far_apart_as_they_have_to_be(write: Write, log: Log) -> None:
    merge = Merge(MergeCommit(rules=RULES, replay_from=0), [], 1, revision_interval=10_000)

    def late_event(watermark: int, final_before: int = NEVER) -> None:
        records: Records = [*addition(0, 0, 1), reached(0, watermark, final_before)]
        for record in records:
            merge.apply(0, record)

    late_event(10_000)
    assert shown(owed(merge, now=500)) == [("00", 0, 1)]
    late_event(11_000)
    late_event(12_000)
    assert owed(merge, now=10_499) == []
    assert shown(owed(merge, now=10_500)) == [("00", 1, 3)]
    late_event(13_000)
    assert owed(merge, now=11_000) == []
    late_event(14_000, final_before=10_000)
    assert shown(owed(merge, now=11_001)) == [("00", 2, 5)], "it is over: nothing else will be said of it"


def test_a_first_result_waits_for_no_interval(merge: Merge) -> None:
    merge = Merge(MergeCommit(rules=RULES, replay_from=0), [], 1, revision_interval=10_000)
    records: Records = [*partial(0, 0, 3), reached(0, 10_000), *partial(0, 10_000, 2), reached(0, 20_000)]
    for offset, record in enumerate(records):
        merge.apply(offset, record)
        shown_now = shown(owed(merge, now=0))
        assert shown_now == {1: [("00", 0, 3)], 3: [("10", 0, 2)]}.get(offset, [])


def test_a_restored_merge_revises_no_window_sooner_than_it_would_have(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    emitted = owed(merge)
    write(*addition(0, 0, 1), reached(0, 11_000))
    again = Merge(merge.commit(len(log)), emitted, 2, revision_interval=10_000)
    for place, record in log:
        again.apply(place, record)
    again.settle(500, whole=True)
    assert owed(again, now=10_499) == []
    assert shown(owed(again, now=10_500)) == [("00", 1, 4)]


def test_the_same_numbers_again_are_no_revision(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    owed(merge)
    write(*partial(0, 0, 3), reached(0, 12_000))
    assert owed(merge) == []


# -- transactions on the partials topic -------------------------------------------------------------------------------


def test_partials_wait_for_the_watermark_record_of_their_transaction(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), reached(1, 10_000))
    owed(merge)
    write(*partial(0, 0, 5))
    assert owed(merge) == []
    write(reached(1, 11_000))
    assert owed(merge) == [], "that was another partition's"
    write(reached(0, 11_000))
    assert shown(owed(merge)) == [("00", 1, 5)]


def test_transactions_of_two_partitions_may_interleave(merge: Merge, write: Write) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clickstream_streams.partials.LARGEST_PART_BYTES", 20)
        first, second = partial(0, 0, 3), partial(1, 0, 4)
    assert min(len(first), len(second)) > 2
    write(first[0], second[0], *first[1:], *second[1:-1], reached(0, 10_000), second[-1], reached(1, 10_000))
    assert shown(owed(merge)) == [("00", 0, 7)]


def test_a_partial_whose_beginning_is_gone_is_not_counted() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clickstream_streams.partials.LARGEST_PART_BYTES", 40)
        parts = partial(0, 0, 3)
    records: Records = [*parts[1:], *partial(0, 10_000, 2), reached(0, 20_000)]
    merge = Merge(MergeCommit(rules=RULES, replay_from=0), [], 1)
    for offset, record in enumerate(records):
        merge.apply(offset, record)
    assert shown(owed(merge)) == [("10", 0, 2)]


# -- forgetting and restoring -----------------------------------------------------------------------------------------


def test_a_window_is_forgotten_when_it_is_over_in_every_partition(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 15_000), reached(1, 12_000, 7_000))
    owed(merge)
    assert merge.commit(3).final_before == 7_000
    assert len(merge._windows) == 1
    write(reached(1, 15_000, 10_000))
    assert merge.commit(4).final_before == 10_000
    assert len(merge._windows) == 0
    write(*partial(0, 0, 9), reached(0, 21_000, 16_000))
    assert owed(merge) == [], "over stays over"


def test_a_window_is_not_forgotten_before_it_had_its_result(merge: Merge, write: Write) -> None:
    """Partition 1 has lost what it must replay: its windows are over before its watermark has reached their end."""
    write(*partial(0, 0, 3), reached(0, 50_000, 40_000), reached(1, 3_000, 10_000))
    assert owed(merge) == []
    merge.commit(3)
    write(reached(1, 60_000, 50_000))
    assert shown(owed(merge)) == [("00", 0, 3)]


def test_nothing_is_over_while_a_partition_is_not_heard_from(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 50_000, 40_000))
    assert merge.commit(2).final_before == NEVER


def test_what_was_over_stays_over_when_a_partition_is_added(merge: Merge, write: Write) -> None:
    write(reached(0, 50_000, 40_000), reached(1, 50_000, 40_000))
    assert merge.commit(2).final_before == 40_000
    merge.partitions = 3
    write(reached(2, NEVER))
    assert merge.commit(3).final_before == 40_000


def test_a_restored_merge_owes_nothing_that_was_emitted(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 5_000), reached(1, 20_000, 5_000))
    emitted = owed(merge)
    commit = merge.commit(len(log))
    again = restored(commit, len(log), log, emitted)
    assert owed(again) == []
    again.apply(len(log), partial(1, 0, 1)[0])
    again.apply(len(log) + 1, reached(1, 21_000, 6_000))
    assert shown(owed(again)) == [("00", 1, 4)]


def test_a_restored_merge_emits_what_was_not_closed(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 5_000), reached(1, 9_000, NEVER))
    commit = merge.commit(len(log))
    again = restored(commit, len(log), log, [])
    again.apply(len(log), reached(1, 10_000, NEVER))
    assert shown(owed(again)) == [("00", 0, 3)]


def test_the_largest_revision_that_was_emitted_is_the_last(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 5_000), reached(1, 20_000, 5_000))
    emitted = owed(merge)
    write(*partial(0, 0, 4), reached(0, 21_000, 6_000))
    emitted += owed(merge)
    for results in (emitted, emitted[::-1]):
        again = restored(merge.commit(len(log)), len(log), log, results)
        assert owed(again) == []
        again.apply(len(log), partial(0, 0, 5)[0])
        again.apply(len(log) + 1, reached(0, 22_000, 7_000))
        assert shown(owed(again)) == [("00", 2, 5)]


def test_a_commit_in_the_middle_of_a_transaction_replays_all_of_it(merge: Merge, write: Write, log: Log) -> None:
    write(reached(0, 1_000), reached(1, 1_000), *partial(0, 0, 3), reached(1, 10_000))
    commit = merge.commit(len(log))
    again = restored(commit, len(log), log, [])
    again.apply(len(log), reached(0, 10_000))
    assert shown(owed(again)) == [("00", 0, 3)]


def test_an_older_record_of_an_interleaved_transaction_is_replayed(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), *partial(1, 0, 4), reached(1, 10_000), reached(0, 10_000))
    emitted = owed(merge)
    write(reached(0, 11_000), reached(1, 11_000))
    again = restored(merge.commit(len(log)), len(log), log, emitted)
    assert shown(emitted) == [("00", 0, 7)]
    assert owed(again) == []


def test_what_is_not_needed_any_more_is_not_replayed(merge: Merge, write: Write, log: Log) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 10_000), reached(1, 20_000, 10_000))
    owed(merge)
    write(reached(0, 21_000, 11_000), reached(1, 21_000, 11_000))
    assert merge.commit(len(log)).replay_from == len(log) - 2, "the partitions' last words are always needed"


def test_partials_that_retention_has_begun_to_delete_are_no_change_of_windows_that_are_over() -> None:
    records: Records = [*partial(0, 0, 3), *partial(1, 0, 4), reached(0, 20_000, 10_000), reached(1, 20_000, 10_000)]
    log = list(enumerate(records))
    complete = restored(MergeCommit(rules=RULES, replay_from=0), len(log), log, [])
    emitted = owed(complete)
    assert shown(emitted) == [("00", 0, 7)]
    assert owed(restored(MergeCommit(rules=RULES, replay_from=1), len(log), log, emitted)) == []


def test_the_last_revision_of_a_window_that_is_over_is_owed_though_the_commit_was_lost(
    merge: Merge, write: Write, log: Log
) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000, 5_000), reached(1, 10_000, 5_000))
    emitted = owed(merge)
    write(*partial(0, 0, 5), reached(0, 20_000, 15_000), reached(1, 20_000, 15_000))
    again = restored(MergeCommit(rules=RULES, replay_from=0), len(log), log, emitted)
    assert shown(owed(again)) == [("00", 1, 5)]
    again.commit(len(log))
    assert len(again._windows) == 0


def test_retention_keeps_no_revision_from_windows_whose_partials_are_all_there() -> None:
    gone: Records = [*partial(0, 0, 3), reached(0, 20_000, 5_000)]
    kept: Records = [reached(0, 21_000, 5_000), reached(1, 21_000, 5_000), *partial(0, 20_000, 1)]
    kept += [reached(0, 30_000, 5_000), reached(1, 30_000, 5_000)]
    last: Records = [*partial(1, 0, 9), *partial(1, 20_000, 2), reached(0, 50_000, 45_000), reached(1, 50_000, 45_000)]
    log = list(enumerate([*gone, *kept, *last]))
    emitted = owed(restored(MergeCommit(rules=RULES, replay_from=0), len(gone) + len(kept), log, []))
    assert shown(emitted) == [("00", 0, 3), ("20", 0, 1)]

    again = restored(MergeCommit(rules=RULES, replay_from=len(gone)), len(log), log, emitted)

    assert shown(owed(again)) == [("20", 1, 3)], "of the other one partition 0 has no partial any more"


def test_a_partition_that_counts_again_changes_nothing_that_it_has_called_over(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 20_000, 10_000), reached(1, 20_000, 5_000))
    assert shown(owed(merge)) == [("00", 0, 3)]
    write(reached(0, NEVER), *partial(0, 0, 1), *partial(0, 10_000, 2), reached(0, 20_000, 10_000))
    assert shown(owed(merge)) == [("10", 0, 2)]


def test_a_restored_merge_takes_nothing_more_for_windows_that_are_over_everywhere() -> None:
    records: Records = [*partial(0, 0, 3), reached(0, 20_000, 10_000), reached(1, 20_000, 10_000)]
    again = restored(MergeCommit(rules=RULES, replay_from=0), len(records), list(enumerate(records)), [])
    assert shown(owed(again)) == [("00", 0, 3)]
    later: Records = [*partial(2, 0, 1), reached(2, 20_000, 10_000)]
    for offset, record in enumerate(later, start=len(records)):
        again.apply(offset, record)
    assert owed(again) == []


# -- what windows wait for --------------------------------------------------------------------------------------------


def test_a_merge_says_which_partition_a_window_waits_for(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), *partial(0, 10_000, 3), reached(0, 25_000), reached(1, 4_000))
    assert (merge.waiting(), merge.slowest()) == ([0, 10_000], (1, 4_000))
    write(reached(1, 12_000))
    assert (merge.waiting(), merge.slowest()) == ([10_000], (1, 12_000))
    write(reached(1, 20_000))
    assert merge.waiting() == []


def test_a_window_waits_for_a_partition_that_never_reported(merge: Merge, write: Write) -> None:
    write(*partial(0, 0, 3), reached(0, 25_000))
    assert (merge.waiting(), merge.slowest()) == ([0], (1, NEVER))


# -- counting again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("events", "revised"), [(2, []), (3, []), (4, [("00", 1, 4)])])
def test_a_count_of_what_is_left_replaces_no_result_of_more_events(
    events: int, revised: list[tuple[str, int, int]]
) -> None:
    emitted = [merged_metrics(0, 10_000, [counts(3, "user-0")])]
    again = Merge(MergeCommit(rules=RULES, replay_from=0, only_more=True), emitted, 1)
    records: Records = [*partial(0, 0, events), reached(0, 10_000)]
    for offset, record in enumerate(records):
        again.apply(offset, record)
    assert shown(owed(again)) == revised


# -- memory -----------------------------------------------------------------------------------------------------------


def test_windows_that_do_not_fit_into_memory_are_read_back_when_they_are_due(write: Write, log: Log) -> None:
    merge = Merge(MergeCommit(rules=RULES, replay_from=0), [], 2, most_bytes=2_000)
    for window in range(0, 100_000, 10_000):
        records: Records = [*partial(0, window, 3), reached(0, window + 10_000), *addition(0, window, 1)]
        for record in [*records, reached(0, 100_000)]:
            log.append((len(log), record))
            merge.apply(*log[-1])
    merge.apply(len(log), reached(1, 100_000))
    due = merge.due(0)
    missing = merge.missing(due)
    assert len(due) == 10
    assert 10 <= len(missing) < 20, "some fit, the others do not"

    merge.read_back(due, {offset: log[offset][1] for offset in missing})  # type: ignore[misc]

    assert [each[2] for each in shown([result.metrics for result in merge.results(due, 0)])] == [4] * 10
    assert merge.missing(due) == missing, "and the memory is bounded again"


def test_a_partial_that_cannot_be_decoded_is_named_while_its_window_may_change(merge: Merge, write: Write) -> None:
    (part,) = partial(1, 0, 3)
    cut = msgspec.structs.replace(part, payload=part.payload[:-3])
    write(cut)
    with pytest.raises(
        UnreadablePartial, match="offset 0, partition 1's of the window that ends at 1970-01-01T00:00:10Z"
    ):
        write(reached(1, 10_000))


@pytest.mark.parametrize(
    "sketched",
    [
        msgspec.structs.replace(counts(3), users=IdsSnapshot(sketch=b"\xffsomething")),
        msgspec.structs.replace(counts(3), pages=NamesSnapshot(sketch=b"\xffsomething")),
    ],
    ids=["ids", "names"],
)
def test_a_sketch_of_unknown_format_ends_the_merge_before_it_is_in_a_result(
    merge: Merge, write: Write, sketched: PartialCounts
) -> None:
    write(*partial(0, 0, 3), reached(0, 10_000), *split(RULES, 1, 0, Partial(sketched, True)))
    with pytest.raises(UnreadablePartial, match="a sketch of 10 bytes has an unknown format: ff 73 6f 6d"):
        write(reached(1, 10_000))


def test_a_partial_that_cannot_be_decoded_does_not_matter_when_its_window_is_over(merge: Merge, write: Write) -> None:
    write(reached(0, 50_000, 40_000), reached(1, 50_000, 40_000))
    merge.commit(2)
    (part,) = partial(1, 0, 3)
    write(msgspec.structs.replace(part, payload=b""), reached(1, 60_000, 50_000))
    assert owed(merge) == []
