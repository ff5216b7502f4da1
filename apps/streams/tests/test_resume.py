from collections.abc import Sequence
from random import Random

import msgspec
import pytest
from aiokafka.structs import OffsetAndMetadata
from hypothesis import given
from hypothesis import strategies as st

from clickstream_kafka.records import LogBounds
from clickstream_streams.commits import EventsCommit, MergeCommit, encode_commit
from clickstream_streams.errors import BeyondTheLog
from clickstream_streams.resume import EventsStart, MergeStart, beginning_of, resume_events, resume_merge
from clickstream_streams.windows import NEVER, CountingRules

FIVE_MINUTES = CountingRules(300_000, "event", 60_000)
AN_HOUR = CountingRules(3_600_000, "event", 60_000)
HOUR = 3_600_000
LOG = LogBounds(first=100, end=500)

COMMIT = EventsCommit(
    rules=FIVE_MINUTES,
    replay_from=200,
    watermark=1_000_000,
    final_before=900_000,
    seen_to=1_200_000,
    began=NEVER,
    joined=True,
)
MERGE_COMMIT = MergeCommit(rules=FIVE_MINUTES, replay_from=200, final_before=900_000)


def committed(offset: int, commit: EventsCommit | MergeCommit | None) -> OffsetAndMetadata:
    return OffsetAndMetadata(offset, "" if commit is None else encode_commit(commit))


# -- a partition of the events topic ----------------------------------------------------------------------------------


def test_a_commit_that_fits_the_log_is_continued_as_it_is() -> None:
    assert resume_events(committed(400, COMMIT), LOG, FIVE_MINUTES, [COMMIT]) == EventsStart(COMMIT, 400)


def test_what_was_counted_by_these_rules_is_kept_when_others_counted_by_other_rules_in_between() -> None:
    peer = msgspec.structs.replace(COMMIT, began=1_500_000)
    start = resume_events(committed(400, COMMIT), LOG, FIVE_MINUTES, [COMMIT, peer])
    assert start == EventsStart(msgspec.structs.replace(COMMIT, began=1_500_000, expired_to=1_500_000), 400)


@pytest.mark.parametrize("bounds", [LogBounds(200, 500), LogBounds(100, 400)])
def test_a_log_that_begins_at_what_is_replayed_or_ends_at_the_commit_still_fits(bounds: LogBounds) -> None:
    assert resume_events(committed(400, COMMIT), bounds, FIVE_MINUTES, []) == EventsStart(COMMIT, 400)


def test_a_first_start_begins_at_the_logs_start_and_joins() -> None:
    start = resume_events(None, LOG, FIVE_MINUTES, [])
    assert start == EventsStart(EventsCommit(rules=FIVE_MINUTES, replay_from=100), 100)
    assert not start.commit.joined


def test_a_reset_replays_the_whole_log_up_to_where_the_operator_set_it() -> None:
    start = resume_events(committed(300, None), LOG, FIVE_MINUTES, [])
    assert (start.commit, start.offset) == (EventsCommit(rules=FIVE_MINUTES, replay_from=100), 300)
    assert "no metadata" in start.notice


def test_a_reset_to_before_the_log_begins_at_its_start() -> None:
    assert resume_events(committed(7, None), LOG, FIVE_MINUTES, []).offset == 100


def test_an_offset_beyond_the_log_is_not_the_log_that_was_committed() -> None:
    for commit in (COMMIT, None):
        with pytest.raises(BeyondTheLog, match="501 is beyond the log's end 500"):
            resume_events(committed(501, commit), LOG, FIVE_MINUTES, [])


def test_what_a_restart_must_replay_being_gone_ends_the_windows_that_were_seen() -> None:
    start = resume_events(committed(400, COMMIT), LogBounds(201, 500), FIVE_MINUTES, [])
    assert start.commit == msgspec.structs.replace(COMMIT, replay_from=400, expired_to=COMMIT.seen_to)
    assert start.offset == 400
    assert "offsets 200 to 201 are gone" in start.notice
    assert "never counted" not in start.notice


def test_events_that_were_never_counted_being_gone_is_said() -> None:
    start = resume_events(committed(400, COMMIT), LogBounds(450, 500), FIVE_MINUTES, [])
    assert (start.offset, start.commit.replay_from) == (450, 450)
    assert "events from offset 400 on were never counted" in start.notice


def test_windows_that_were_expired_stay_so() -> None:
    expired = msgspec.structs.replace(COMMIT, expired_to=2_000_000)
    assert resume_events(committed(400, expired), LogBounds(300, 500), FIVE_MINUTES, []).commit.expired_to == 2_000_000


def test_changed_rules_start_again_behind_all_windows_that_were_seen() -> None:
    peer = msgspec.structs.replace(COMMIT, seen_to=HOUR + 1)
    start = resume_events(committed(400, COMMIT), LOG, AN_HOUR, [COMMIT, peer])
    assert start.offset == start.commit.replay_from == 400
    assert start.commit.rules == AN_HOUR
    assert start.commit.expired_to == start.commit.began == 2 * HOUR
    assert (start.commit.watermark, start.commit.final_before) == (COMMIT.watermark, COMMIT.final_before)
    assert "start again at 1970-01-01T02:00:00Z" in start.notice


def test_changed_rules_do_not_need_the_records_that_the_others_would_replay() -> None:
    start = resume_events(committed(400, COMMIT), LogBounds(450, 500), AN_HOUR, [COMMIT])
    assert (start.offset, start.commit.replay_from) == (450, 450)


def test_a_partition_added_after_a_change_begins_where_the_others_did() -> None:
    peer = msgspec.structs.replace(COMMIT, rules=AN_HOUR, began=2 * HOUR, expired_to=2 * HOUR, seen_to=5 * HOUR)
    start = resume_events(None, LOG, AN_HOUR, [peer])
    assert start.commit.began == start.commit.expired_to == 2 * HOUR


def test_rules_that_never_changed_have_no_beginning() -> None:
    assert beginning_of(FIVE_MINUTES, [COMMIT, COMMIT]) == NEVER
    assert beginning_of(FIVE_MINUTES, []) == NEVER


def test_partitions_that_have_seen_nothing_have_no_say_in_the_beginning() -> None:
    silent = EventsCommit(rules=FIVE_MINUTES, replay_from=0)
    assert beginning_of(AN_HOUR, [silent]) == NEVER


old_commits = st.lists(
    st.one_of(
        st.none(),
        st.builds(
            EventsCommit,
            rules=st.sampled_from([FIVE_MINUTES, CountingRules(420_000, "event", 60_000)]),
            replay_from=st.integers(100, 300),
            watermark=st.integers(0, 10 * HOUR),
            seen_to=st.one_of(st.just(NEVER), st.integers(0, 100).map(lambda number: number * 300_000)),
            joined=st.just(True),
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(old_commits, st.sampled_from([AN_HOUR, CountingRules(1000, "event", 0)]), st.randoms(use_true_random=False))
def test_changed_rules_begin_at_one_time_in_all_partitions_whatever_order_they_change_over_in(
    commits: Sequence[EventsCommit | None], rules: CountingRules, random: Random
) -> None:
    found = dict(enumerate(commits))
    order = list(found)
    random.shuffle(order)
    for partition in order:
        commit = found[partition]
        peers = [each for each in found.values() if each is not None]
        start = resume_events(committed(400, commit) if commit else None, LOG, rules, peers)
        counted_since = msgspec.structs.replace(start.commit, seen_to=max(start.commit.seen_to, 20 * HOUR))
        found[partition] = counted_since
    begun = {commit.began for commit in found.values() if commit is not None}
    seen = [commit.seen_to for commit in commits if commit is not None]
    assert begun == {rules.round_up(max(seen)) if max(seen, default=NEVER) != NEVER else NEVER}


def test_rules_that_change_again_before_all_have_changed_over_begin_at_one_time() -> None:
    two_hours = CountingRules(2 * HOUR, "event", 60_000)
    behind = EventsCommit(rules=FIVE_MINUTES, replay_from=200, seen_to=HOUR // 2, joined=True)
    ahead = resume_events(committed(400, behind), LOG, AN_HOUR, [behind, behind]).commit
    starts = [resume_events(committed(400, each), LOG, two_hours, [ahead, behind]) for each in (behind, ahead)]
    assert [start.commit.began for start in starts] == [2 * HOUR, 2 * HOUR]


# -- the merge --------------------------------------------------------------------------------------------------------


def test_the_merges_commit_is_continued_as_it_is() -> None:
    assert resume_merge(committed(400, MERGE_COMMIT), LOG, FIVE_MINUTES, counted=True) == MergeStart(MERGE_COMMIT, 400)


def test_a_merge_without_a_commit_replays_the_whole_log_before_it_goes_on() -> None:
    start = resume_merge(None, LOG, FIVE_MINUTES, counted=True)
    assert start == MergeStart(MergeCommit(rules=FIVE_MINUTES, replay_from=100), 500)


def test_a_merge_that_was_reset_replays_the_whole_log_before_it_goes_on() -> None:
    start = resume_merge(committed(300, None), LOG, FIVE_MINUTES, counted=True)
    assert (start.commit, start.offset) == (MergeCommit(rules=FIVE_MINUTES, replay_from=100), 500)
    assert "no metadata" in start.notice


def test_a_merge_under_changed_rules_keeps_the_windows_that_are_over() -> None:
    start = resume_merge(committed(300, MERGE_COMMIT), LOG, AN_HOUR, counted=True)
    assert (start.commit, start.offset) == (MergeCommit(rules=AN_HOUR, replay_from=100, final_before=900_000), 500)
    assert "rules changed" in start.notice


def test_partials_being_gone_is_said() -> None:
    start = resume_merge(committed(400, MERGE_COMMIT), LogBounds(300, 500), FIVE_MINUTES, counted=True)
    assert (start.commit.replay_from, start.commit.final_before, start.offset) == (300, 900_000, 400)
    assert "offsets 200 to 300 are gone" in start.notice


def test_a_merge_whose_own_offset_is_gone_begins_at_the_logs_start() -> None:
    assert resume_merge(committed(250, MERGE_COMMIT), LogBounds(300, 500), FIVE_MINUTES, counted=True).offset == 300


def test_a_merge_offset_beyond_the_log_is_not_the_log_that_was_committed() -> None:
    with pytest.raises(BeyondTheLog, match="501"):
        resume_merge(committed(501, MERGE_COMMIT), LOG, FIVE_MINUTES, counted=True)


def test_a_merge_forgets_everything_where_no_partition_has_counted() -> None:
    """The first start, and offsets that were lost or reset: the partitions count again what the topic holds."""
    fresh = MergeCommit(rules=FIVE_MINUTES, replay_from=500, forgotten_to=500, only_more=True)
    for found in (None, committed(300, None), committed(400, MERGE_COMMIT)):
        assert resume_merge(found, LOG, FIVE_MINUTES, counted=False) == MergeStart(fresh, 500)


def test_a_merge_that_was_told_from_when_on_windows_count_again_keeps_to_it() -> None:
    told = MergeCommit(rules=FIVE_MINUTES, replay_from=400, forgotten_to=400, final_before=600_000)
    assert resume_merge(committed(400, told), LOG, FIVE_MINUTES, counted=False) == MergeStart(told, 400)


@pytest.mark.parametrize("rules", [FIVE_MINUTES, AN_HOUR])
def test_what_a_merge_has_forgotten_is_not_replayed_later(rules: CountingRules) -> None:
    told = MergeCommit(rules=FIVE_MINUTES, replay_from=450, forgotten_to=400, final_before=600_000, only_more=True)
    start = resume_merge(committed(480, told), LOG, rules, counted=True)
    assert start.commit.forgotten_to == 400
    assert start.commit.replay_from >= 400
    assert (start.commit.final_before, start.commit.only_more) == (600_000, True)
