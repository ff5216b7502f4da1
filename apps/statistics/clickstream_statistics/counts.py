"""What results add up to. Pure: no Spark, no storage, no clock.

A batch is summed up in a `BatchRecord`: which offsets it has, how many results of each scenario, version and minute.
`Totals` is the sum of all batches. For each scenario it counts the results of the newest version that was seen: a newer
version begins again at 0, and late results of an older one are not counted. So the order of batches, and of results in
a batch, does not matter. Beside that it counts all results, of whatever version, by minute.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

MINUTES_KEPT = 24 * 60
NO_MINUTE = -1
"""Of results whose time is far from their record's: they count, but in no minute."""


class Range(msgspec.Struct, frozen=True, array_like=True):
    """The first and the last offset of a partition's records in a batch, and how many there are."""

    first: int
    last: int
    records: int


class Count(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The results of a scenario's version in a minute (since the epoch)."""

    scenario: int
    version: int
    minute: int
    total: int
    success: int


class BatchRecord(msgspec.Struct, frozen=True):
    """What a batch is: two drivers that make the same of it have the same records."""

    batch: int
    ranges: Mapping[str, Range]
    malformed: int
    counts: Sequence[Count] = ()

    @property
    def records(self) -> int:
        return sum(each.records for each in self.ranges.values())


class Scenario(msgspec.Struct, array_like=True):
    """A scenario's results since its newest version began."""

    version: int
    total: int
    success: int


class Snapshot(msgspec.Struct, frozen=True):
    """Totals as they are stored; `positions` are the next offsets, `minutes` are [scenario, minute, total, success]."""

    batch: int
    positions: Mapping[str, int]
    scenarios: Mapping[int, Scenario]
    minutes: Sequence[tuple[int, int, int, int]]


@dataclass(frozen=True)
class Group:
    """The results of one partition, scenario, version and minute in a batch; None: malformed."""

    partition: int
    first: int
    last: int
    records: int
    scenario: int | None = None
    version: int = 0
    minute: int = NO_MINUTE
    success: int = 0


def batch_record(batch: int, groups: Iterable[Group]) -> BatchRecord:
    """Sum up a batch. The result does not depend on the order of the groups."""
    ranges: dict[int, Range] = {}
    counts: dict[tuple[int, int, int], tuple[int, int]] = {}
    malformed = 0
    for group in groups:
        known = ranges.get(group.partition, Range(group.first, group.last, 0))
        ranges[group.partition] = Range(
            min(known.first, group.first), max(known.last, group.last), known.records + group.records
        )
        if group.scenario is None:
            malformed += group.records
            continue
        key = (group.scenario, group.version, group.minute)
        total, success = counts.get(key, (0, 0))
        counts[key] = (total + group.records, success + group.success)
    return BatchRecord(
        batch,
        {str(partition): ranges[partition] for partition in sorted(ranges)},
        malformed,
        sorted(Count(*key, *counted) for key, counted in counts.items()),
    )


@dataclass
class Totals:
    """The sum of the batches up to `batch`; -1 is before the first.

    `changed` collects the scenarios' minutes that were counted or dropped since it was cleared. Those before
    `kept_from` were dropped.
    """

    batch: int = -1
    positions: dict[str, int] = field(default_factory=dict)
    scenarios: dict[int, Scenario] = field(default_factory=dict)
    minutes: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    changed: set[tuple[int, int]] = field(default_factory=set)
    kept_from: int = NO_MINUTE

    def add(self, record: BatchRecord) -> None:
        """Count the next batch."""
        if record.batch != self.batch + 1:
            raise ValueError(f"batch {record.batch} does not follow {self.batch}")
        self.batch = record.batch
        for partition, held in record.ranges.items():
            self.positions[partition] = held.last + 1
        for count in record.counts:
            self._count(count)

    def _count(self, count: Count) -> None:
        scenario = self.scenarios.get(count.scenario)
        if scenario is None or scenario.version < count.version:
            self.scenarios[count.scenario] = Scenario(count.version, count.total, count.success)
        elif scenario.version == count.version:
            scenario.total += count.total
            scenario.success += count.success
        if count.minute != NO_MINUTE:
            minutes = self.minutes.setdefault(count.scenario, {})
            total, success = minutes.get(count.minute, (0, 0))
            minutes[count.minute] = (total + count.total, success + count.success)
            self.changed.add((count.scenario, count.minute))

    def forget_before(self, minute: int) -> None:
        """Drop the minutes before this one."""
        if minute == self.kept_from:
            return
        self.kept_from = minute
        for scenario, minutes in self.minutes.items():
            for old in [each for each in minutes if each < minute]:
                del minutes[old]
                self.changed.add((scenario, old))

    def follows(self, record: BatchRecord) -> bool:
        """Whether the batch begins where the others end: no record of it was counted before."""
        return all(held.first >= self.positions.get(partition, 0) for partition, held in record.ranges.items())

    def snapshot(self) -> Snapshot:
        """Return what `restored` makes the same totals of."""
        return Snapshot(self.batch, self.positions, self.scenarios, list(self._by_minute()))

    def _by_minute(self) -> Iterator[tuple[int, int, int, int]]:
        for scenario, minutes in self.minutes.items():
            for minute, (total, success) in minutes.items():
                yield scenario, minute, total, success


def restored(snapshot: Snapshot) -> Totals:
    """Return the totals of a snapshot."""
    totals = Totals(snapshot.batch, dict(snapshot.positions), dict(snapshot.scenarios))
    for scenario, minute, total, success in snapshot.minutes:
        totals.minutes.setdefault(scenario, {})[minute] = (total, success)
    return totals
