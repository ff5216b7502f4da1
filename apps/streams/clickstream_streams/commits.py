"""What a commit contains.

Both stages commit the offset of the next record to read, with metadata of a few numbers that say how to restore: the
log holds everything else. Kafka keeps up to 4096 bytes of metadata with a committed offset. The offset, its metadata
and the output up to that offset are written in one transaction, so they become visible together or not at all.

`EventsCommit` is stage 1's, one for each partition of the events topic; `MergeCommit` is stage 2's, on the partials
topic's one partition. A restore reads again from `replay_from` up to the committed offset without writing anything;
then the memory is as it was at the commit.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from clickstream_streams.refusals import CommittedRefusals
from clickstream_streams.windows import NEVER, CountingRules


class EventsCommit(msgspec.Struct, frozen=True, kw_only=True):
    """How to restore a partition of the events topic.

    `replay_from` is the smallest first offset over all windows that are not written: what was counted in other windows
    is on the partials topic. Of windows that end at `written_ahead_to` or before, a part may be there before the
    watermark has passed them. Windows that end at `final_before` or before are over; `seen_to` is the largest end of a
    window with an event; events of windows that end at `expired_to` or before are `expired`, because the earlier counts
    of the window are gone; `began` is the time from which these `rules` count. `joined` is false until stage 2 has
    confirmed that it knows the partition. Records before `dead_lettered_to` were processed before the group was reset:
    those that are refused again are already dead letters. Windows that end at `kept_to` or before keep the results
    that they had then. `refused` is for receipts (`refusals`); None in commits of versions without them.
    """

    rules: CountingRules
    replay_from: int
    watermark: int = NEVER
    written_ahead_to: int = NEVER
    final_before: int = NEVER
    seen_to: int = NEVER
    expired_to: int = NEVER
    began: int = NEVER
    joined: bool = False
    dead_lettered_to: int = 0
    kept_to: int = NEVER
    refused: CommittedRefusals | None = None


class MergeCommit(msgspec.Struct, frozen=True, kw_only=True):
    """How to restore the merge: where the oldest retained partial begins, and which windows are over everywhere.

    Partials before `forgotten_to` are of a count that was discarded: the group was reset, or its offsets were lost. If
    they were lost, the topic may no longer hold all events that went into the results; with `only_more` a result is
    replaced only by one of more events. `results_from` are the offsets from which to read back the results, of the
    first partitions of `results_topic`; the others, and all of old commits, are read from their beginning.
    """

    rules: CountingRules
    replay_from: int
    final_before: int = NEVER
    forgotten_to: int = 0
    only_more: bool = False
    results_topic: str = ""
    results_from: tuple[int, ...] = ()


Commit = TypeVar("Commit", EventsCommit, MergeCommit)

_encoder = msgspec.json.Encoder()


def encode_commit(commit: EventsCommit | MergeCommit) -> str:
    """Return the metadata text, well below Kafka's 4096 bytes."""
    return _encoder.encode(commit).decode()


def decode_commit(metadata: str, kind: type[Commit]) -> Commit | None:
    """Return the commit in the metadata text, or None when it is not one (an operator's reset leaves it empty)."""
    try:
        return msgspec.json.decode(metadata, type=kind)
    except msgspec.DecodeError:
        return None


def decode_commits(metadata: Iterable[str], kind: type[Commit]) -> list[Commit]:
    """Return the commits in the metadata texts, without those that are none."""
    decoded = (decode_commit(each, kind) for each in metadata)
    return [commit for commit in decoded if commit is not None]
