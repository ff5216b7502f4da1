"""What verify makes of the topics beside an archive, with a stand-in for Kafka."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from clickstream_archive import asking
from clickstream_archive.asking import Asking
from clickstream_archive.from_archive import sink_group
from clickstream_archive.from_topics import gather_topics
from clickstream_archive.offsets import Cause, Gap, PartitionOffsets, classified
from clickstream_archive.settings import ArchiveSettings, CatalogSettings
from clickstream_archive.topic_log import RecordsDeleted
from clickstream_core.settings import read_settings
from kit.archive import write_raw

EVENTS, METRICS, DEAD_LETTERS = "clickstream-events", "clickstream-metrics", "clickstream-dead-letters"
SINK, PROCESSOR = "connect-clickstream-archive", "clickstream-processor"


@dataclass
class Record:
    partition: int
    offset: int
    timestamp: int = 0
    value: bytes = b"{}"
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Log:
    """Topics with these records; retention deletes those before `deleted_to` once the first list was read."""

    readable: dict[tuple[str, int], Sequence[int]]
    ends: dict[tuple[str, int], int]
    read: dict[str, dict[tuple[str, int], int]]
    begins: dict[tuple[str, int], int] = field(default_factory=dict)
    deleted_to: int = 0

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        return {place[1]: (self.begins.get(place, 0), end) for place, end in self.ends.items() if place[0] == topic}

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        return self.read.get(group, {})

    def explained(self, topic: str, partition: int, gaps: Sequence[Gap]) -> Iterator[Gap]:
        for gap in gaps:
            yield from classified(gap, self.readable.get((topic, partition), ()), ())

    def has_records(self, topic: str, partition: int, first: int) -> bool:
        return any(offset >= first for offset in self.readable.get((topic, partition), ()))

    def records(self, topic: str, partition: int, first: int, end: int) -> Iterator[list[Any]]:
        for offset in self.readable.get((topic, partition), ()):
            if first <= offset < end and offset < self.deleted_to and offset > first:
                raise RecordsDeleted(self.deleted_to)
            if first <= offset < end:
                yield [Record(partition, offset)]


@pytest.fixture
def settings() -> ArchiveSettings:
    return read_settings(ArchiveSettings, prog="", description="", argv=[])


def asked(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings, log: Log, *, unchanged: bool = True
) -> tuple[PartitionOffsets, bool]:
    """What is found about partition 0 of the events, of which offsets 0 to 9 are archived."""
    monkeypatch.setattr(asking, "TopicLog", lambda kafka: log)
    monkeypatch.setattr(asking, "_COMMIT_S", 0.0)
    partition = PartitionOffsets(EVENTS, 0, 0, 9, 10, last_at=500)
    with Asking(settings, SINK, offline=False) as one:
        letters = one.explain([partition], whole=True)
        one.wait_for_commit(lambda: unchanged)
        assert one.failed is None
    return partition, letters


def test_records_behind_the_last_archived_one_are_missing_once_the_sink_has_read_them(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings
) -> None:
    log = Log({(EVENTS, 0): range(20)}, {(EVENTS, 0): 20}, {SINK: {(EVENTS, 0): 15}})
    found, _ = asked(monkeypatch, settings, log)
    assert [(each.first, each.last, each.cause, each.since) for each in found.gaps] == [(10, 14, Cause.MISSING, 500)]
    assert found.covered_to == 14
    assert not found.complete


@pytest.mark.parametrize("read", [{}, {(EVENTS, 0): 10}, {(EVENTS, 0): 4}])
def test_records_that_the_sink_has_not_read_are_not_archived_yet(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings, read: dict[tuple[str, int], int]
) -> None:
    log = Log({(EVENTS, 0): range(20)}, {(EVENTS, 0): 20}, {SINK: read})
    assert asked(monkeypatch, settings, log)[0].gaps == []


def test_markers_behind_the_last_archived_record_are_no_gap(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings
) -> None:
    log = Log({(EVENTS, 0): range(10)}, {(EVENTS, 0): 12}, {SINK: {(EVENTS, 0): 12}})
    assert asked(monkeypatch, settings, log)[0].gaps == []


def test_records_of_a_commit_that_was_under_way_are_not_missing(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings
) -> None:
    log = Log({(EVENTS, 0): range(20)}, {(EVENTS, 0): 20}, {SINK: {(EVENTS, 0): 15}})
    found, _ = asked(monkeypatch, settings, log, unchanged=False)
    assert [(each.first, each.last, each.cause) for each in found.gaps] == [(10, 14, Cause.UNKNOWN)]
    assert "was committing" in found.gaps[0].why


def test_the_sink_that_filled_the_place_is_asked_for(place: CatalogSettings, catalog: Catalog) -> None:
    table = write_raw(catalog, [])
    assert sink_group(catalog, place) == SINK
    table.transaction().set_properties({"clickstream.sink": "clickstream-archive-1f3a"}).commit_transaction()
    assert sink_group(catalog, place) == "connect-clickstream-archive-1f3a"


@pytest.mark.parametrize(("archived", "read"), [([0, 1, 2], False), ([0, 1, 2, 3], True)])
def test_dead_letters_are_read_to_their_end_when_no_record_is_behind_the_last_one(
    monkeypatch: pytest.MonkeyPatch, settings: ArchiveSettings, archived: Sequence[int], read: bool
) -> None:
    log = Log({(DEAD_LETTERS, 0): [0, 1, 2, 3]}, {(DEAD_LETTERS, 0): 5}, {})
    monkeypatch.setattr(asking, "TopicLog", lambda kafka: log)
    partition = PartitionOffsets(DEAD_LETTERS, 0, 0, archived[-1], len(archived))
    with Asking(settings, SINK, offline=False) as one:
        assert one.explain([partition], whole=True) is read
    with Asking(settings, SINK, offline=True) as one:
        assert one.explain([partition], whole=True) is False
        assert one.failed == "--offline"


class Evidence:
    def __init__(self) -> None:
        self.events: list[int] = []

    def add_events(self, partitions: Sequence[int], offsets: Sequence[int], *more: object) -> None:
        self.events += offsets

    def add_dead_letters(self, *given: object) -> None:
        pass

    add_results = add_dead_letters


def test_reading_goes_on_where_the_topic_begins_when_retention_overtakes_it(settings: ArchiveSettings) -> None:
    ends = {(EVENTS, 0): 20, (METRICS, 0): 1, (DEAD_LETTERS, 0): 1}
    log = Log({(EVENTS, 0): range(20)}, ends, {PROCESSOR: {(EVENTS, 0): 20}}, deleted_to=12)
    evidence = Evidence()
    (found,) = gather_topics(evidence, log, settings, PROCESSOR, lambda count: None)  # type: ignore[arg-type]
    assert evidence.events == [0, *range(12, 20)]
    assert (found.first, found.last, found.rows) == (0, 19, 9)
    assert [(each.first, each.last, each.cause, each.why) for each in found.gaps] == [
        (1, 11, Cause.UNKNOWN, "deleted by retention while the topic was read")
    ]
