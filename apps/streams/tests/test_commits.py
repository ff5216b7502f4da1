import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit, encode_commit
from clickstream_streams.refusals import Refusals, committed_refusals
from clickstream_streams.windows import CountingRules

numbers = st.integers(-(2**63), 2**63 - 1)
rules = st.builds(CountingRules, numbers, st.sampled_from(["event", "arrival"]), numbers)
refusals = st.builds(Refusals, st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**63 - 1), max_size=9).map(tuple))
refused = st.builds(committed_refusals, refusals, st.dictionaries(numbers, st.tuples(refusals, refusals), max_size=30))
events_commits = st.builds(
    EventsCommit,
    rules=rules,
    replay_from=numbers,
    watermark=numbers,
    final_before=numbers,
    seen_to=numbers,
    expired_to=numbers,
    began=numbers,
    joined=st.booleans(),
    kept_to=numbers,
    refused=st.none() | refused,
)
merge_commits = st.builds(MergeCommit, rules=rules, replay_from=numbers, final_before=numbers)


@given(events_commits)
def test_the_metadata_of_an_events_commit_says_all_of_it(commit: EventsCommit) -> None:
    assert decode_commit(encode_commit(commit), EventsCommit) == commit


@given(merge_commits)
def test_the_metadata_of_a_merge_commit_says_all_of_it(commit: MergeCommit) -> None:
    assert decode_commit(encode_commit(commit), MergeCommit) == commit


@given(st.one_of(events_commits, merge_commits))
def test_the_metadata_is_shorter_than_kafka_allows(commit: EventsCommit | MergeCommit) -> None:
    assert len(encode_commit(commit).encode()) < 4096


@pytest.mark.parametrize(
    "metadata", ["", "null", "{}", "[]", "metadata", '{"rules": [1, "event", 0]}', "\u2603", "NaN"]
)
@pytest.mark.parametrize("kind", [EventsCommit, MergeCommit])
def test_metadata_that_is_no_commit_is_none(metadata: str, kind: type[EventsCommit]) -> None:
    assert decode_commit(metadata, kind) is None


@given(st.text())
def test_foreign_metadata_is_none(metadata: str) -> None:
    assert decode_commit(metadata, EventsCommit) is None


@given(events_commits, st.data())
def test_metadata_that_was_cut_off_is_none(commit: EventsCommit, data: st.DataObject) -> None:
    metadata = encode_commit(commit)
    assert decode_commit(metadata[: data.draw(st.integers(0, len(metadata) - 1))], EventsCommit) is None
