"""What files that were deleted from the storage, or damaged, held, as gaps of their partitions.

A manifest has a file's smallest and largest partition and offset. Where other files go on behind it, the gap between
them gives the exact offsets; at the end of a partition the manifest's largest offset, or the topic's end if that is
smaller, is what there is. The sink commits a partition in order, so a file held the end of a partition only if no later
commit has records of that partition, and its beginning only if no earlier one has.
"""

from collections.abc import Iterable, Mapping, Sequence

from clickstream_archive.offsets import Cause, Gap, PartitionOffsets
from clickstream_archive.raw import RawFile

Commits = Mapping[tuple[str, int], tuple[int, int]]
"""By topic and partition: the numbers of the first and the last commit whose files are there and have records of it."""


def mark_lost(
    partitions: Sequence[PartitionOffsets], lost: Iterable[RawFile], brought_by: Mapping[str, int], commits: Commits
) -> list[PartitionOffsets]:
    """Return the partitions with the gaps that lost files explain, and those of which there are lost files only.

    `brought_by` has the number of the commit that brought a file, by path.
    """
    found = {(each.topic, each.partition): each for each in partitions}
    for file in lost:
        if file.partitions is None or file.offsets is None:
            continue
        for number in range(file.partitions.first, file.partitions.last + 1):
            there = found.get((file.topic, number))
            if there is None:
                alone = file.partitions.first == file.partitions.last
                if not alone:
                    continue
                there = PartitionOffsets(file.topic, number, file.offsets.last + 1, file.offsets.last, 0)
                found[file.topic, number] = there
            commit = brought_by.get(file.path, 0)
            oldest, newest = commits.get((file.topic, number), (commit + 1, commit - 1))
            _mark(there, file, begins=commit < oldest, ends=commit > newest)
    return [found[key] for key in sorted(found)]


def _mark(there: PartitionOffsets, file: RawFile, *, begins: bool, ends: bool) -> None:
    assert file.offsets is not None
    why = f"in the {'damaged' if file.damage else 'deleted'} file {file.path}"
    first, last = file.offsets.first, file.offsets.last
    begin = first if there.begins_at is None else max(first, there.begins_at)
    there.mark(begin if begins else max(first, there.first), last, why)
    gaps = there.gaps
    end = last if there.ends_at is None else min(last, there.ends_at - 1)
    if ends and end > there.covered_to:
        gaps.append(Gap(there.covered_to + 1, end, None, None, Cause.MISSING, why))
    lowest = min((each.first for each in gaps), default=there.first)
    if begins and begin < min(there.first, lowest):
        gaps.insert(0, Gap(begin, min(there.first, lowest) - 1, None, None, Cause.MISSING, why))
