"""Where a stage resumes: from its commit if the log still holds what the commit refers to, and where if it does not.

Pure decisions: `resume_events` and `resume_merge` get the committed offset and metadata, the log's bounds and the rules
in force, and return where to start. The cases: a first start, a reset of the group's offsets, records that retention
has deleted, a change of WINDOW_SIZE, a topic that was deleted and created again.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from clickstream_core.timestamps import format_seconds
from clickstream_kafka.records import CommittedOffset, LogBounds
from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit
from clickstream_streams.errors import BeyondTheLog
from clickstream_streams.windows import NEVER, CountingRules


@dataclass(frozen=True)
class EventsStart:
    """Resume with `commit` at `offset`, after replaying from `commit.replay_from`; `notice` is for the log."""

    commit: EventsCommit
    offset: int
    notice: str = ""


@dataclass(frozen=True)
class MergeStart:
    """Resume with `commit` at `offset`, after replaying from `commit.replay_from`; `notice` is for the log."""

    commit: MergeCommit
    offset: int
    notice: str = ""


def resume_events(
    committed: CommittedOffset | None, log: LogBounds, rules: CountingRules, peers: Collection[EventsCommit]
) -> EventsStart:
    """Return how a partition of the events topic resumes; `peers` are the commits of the topic's partitions.

    Raises BeyondTheLog.
    """
    began = beginning_of(rules, peers)
    if committed is None:
        return EventsStart(EventsCommit(rules=rules, replay_from=log.first, expired_to=began, began=began), log.first)
    _check_end(committed.offset, log)
    commit = decode_commit(committed.metadata, EventsCommit)
    if commit is None:
        fresh = EventsCommit(rules=rules, replay_from=log.first, expired_to=began, began=began)
        return EventsStart(fresh, max(committed.offset, log.first), "its commit has no metadata; replays the whole log")
    if commit.rules != rules:
        return _change_rules(commit, committed.offset, log, rules, peers)
    if began > commit.began:  # other rules have counted since
        commit = msgspec.structs.replace(commit, began=began, expired_to=max(commit.expired_to, began))
    if commit.replay_from >= log.first:
        return EventsStart(commit, committed.offset)
    offset = max(committed.offset, log.first)
    expired_to = max(commit.expired_to, commit.seen_to)
    lost = f"offsets {commit.replay_from} to {log.first} are gone from the log"
    if expired_to != NEVER:
        lost += f"; windows up to {format_seconds(expired_to)} stay as they are, their further events are expired"
    if offset > committed.offset:
        lost += f"; events from offset {committed.offset} on were never counted"
    return EventsStart(msgspec.structs.replace(commit, replay_from=offset, expired_to=expired_to), offset, lost)


def _change_rules(
    commit: EventsCommit, offset: int, log: LogBounds, rules: CountingRules, peers: Collection[EventsCommit]
) -> EventsStart:
    offset = max(offset, log.first)
    began = beginning_of(rules, [commit, *peers])
    changed = msgspec.structs.replace(commit, rules=rules, replay_from=offset, expired_to=began, began=began)
    notice = "the counting rules changed; windows start again"
    if began != NEVER:
        notice += f" at {format_seconds(began)}, what was counted in windows that are still open has no result"
    return EventsStart(changed, offset, notice)


def beginning_of(rules: CountingRules, commits: Collection[EventsCommit]) -> int:
    """Return the time from which `rules` count, the same for all partitions of the topic.

    It is the largest end of a window in which other rules have counted an event, rounded up to the new windows, or the
    time that a partition which has already changed over has committed.
    """
    began = [commit.began for commit in commits if commit.rules == rules]
    others = [max(commit.seen_to, commit.expired_to) for commit in commits if commit.rules != rules]
    return max(began + [rules.round_up(time) for time in others if time != NEVER], default=NEVER)


def resume_merge(
    committed: CommittedOffset | None, log: LogBounds, rules: CountingRules, *, counted: bool
) -> MergeStart:
    """Return how the merge resumes; `counted` is whether a partition of the events topic has committed a count.

    If none has, all offsets were reset or lost, or this is the first start. The partitions count again what the topic
    holds, so the existing partials are of no use, and no window is over.

    Without a commit or usable metadata the whole log is replayed before anything is emitted: what a partial contained
    before a later one replaced it was emitted long ago, or was never complete. Raises BeyondTheLog.
    """
    if committed is not None:
        _check_end(committed.offset, log)
    commit = None if committed is None else decode_commit(committed.metadata, MergeCommit)
    was_reset = committed is not None and commit is not None and committed.offset == commit.forgotten_to
    if not counted and not was_reset:
        fresh = MergeCommit(rules=rules, replay_from=log.end, forgotten_to=log.end, only_more=True)
        return MergeStart(fresh, log.end)
    everything = MergeCommit(rules=rules, replay_from=log.first)
    if committed is None:
        return MergeStart(everything, log.end)
    if commit is None:
        return MergeStart(everything, log.end, "its commit has no metadata; replays the whole log")
    everything = msgspec.structs.replace(
        everything,
        replay_from=max(log.first, commit.forgotten_to),
        forgotten_to=commit.forgotten_to,
        only_more=commit.only_more,
    )
    if commit.rules != rules:
        over = msgspec.structs.replace(everything, final_before=commit.final_before)
        return MergeStart(over, log.end, "the counting rules changed; results of other rules stay as they are")
    if commit.replay_from >= log.first:
        return MergeStart(commit, committed.offset)
    lost = f"offsets {commit.replay_from} to {log.first} are gone from the log, numbers of open windows may be short"
    first = msgspec.structs.replace(commit, replay_from=log.first)
    return MergeStart(first, max(committed.offset, log.first), lost)


def _check_end(offset: int, log: LogBounds) -> None:
    if offset > log.end:
        raise BeyondTheLog(f"the committed offset {offset} is beyond the log's end {log.end}")
