"""What the topics themselves still hold: their bounds, which offsets have records, and the records.

A record that read_committed returns is one; what only read_uncommitted returns was aborted; offsets that neither
returns are transaction markers. Positions of kafka-python pass markers and aborted records, so a position beyond an
offset proves that there is nothing to read at it.
"""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from clickstream_archive.errors import ArchiveError
from clickstream_archive.offsets import Cause, Gap, classified
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_kafka.settings import KafkaSettings

_CONNECT_MS = 5_000
_REQUEST_MS = 15_000
_POLL_MS = 500
_STALLED_S = 60.0
_FETCH_BYTES = 8 * 1024 * 1024
_NEAR_OFFSETS = 20_000
"""Gaps not farther apart are read through rather than sought."""


class TopicUnavailable(ArchiveError):
    """Kafka can't be reached, or does not let this user read."""


class RecordsDeleted(Exception):
    """Retention has deleted the records that were to be read next; the partition begins at `begins_at` now."""

    def __init__(self, begins_at: int) -> None:
        super().__init__(f"the topic begins at offset {begins_at} now")
        self.begins_at = begins_at


class TopicLog:
    """Readers of the topics, in no consumer group. A context manager; raises TopicUnavailable."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._errors = LibraryErrors()
        self._consumers: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._consumer("read_committed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for each in self._consumers.values():
            each.close(autocommit=False, timeout_ms=2_000)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return the first offset and the end (the last stable offset) of each partition; {} if there is no topic."""
        consumer = self._consumer("read_committed")
        try:
            partitions = [TopicPartition(topic, each) for each in sorted(consumer.partitions_for_topic(topic) or ())]
            if not partitions:
                return {}
            begins = consumer.beginning_offsets(partitions, timeout_ms=_REQUEST_MS)
            ends = consumer.end_offsets(partitions, timeout_ms=_REQUEST_MS)
        except KafkaError as error:
            raise self._unavailable(error) from error
        return {each.partition: (begins[each], ends[each]) for each in partitions}

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return the group's committed offset of each topic and partition that has one."""
        try:
            admin = KafkaAdminClient(**self._kafka.kafka_python_config(), request_timeout_ms=_REQUEST_MS)
            try:
                found = admin.list_group_offsets(group)[group]
            finally:
                admin.close()
        except KafkaError as error:
            raise self._unavailable(error) from error
        return {(each.topic, each.partition): at.offset for each, at in found.items() if at.offset >= 0}

    def explained(self, topic: str, partition: int, gaps: Sequence[Gap]) -> Iterator[Gap]:
        """Yield the gaps in parts, each with its cause; what the topic no longer holds stays unknown."""
        while True:
            begin, end = self.bounds(topic).get(partition, (0, 0))
            try:
                yield from list(self._explained(topic, partition, gaps, begin, end))
                return
            except RecordsDeleted:
                continue

    def _explained(self, topic: str, partition: int, gaps: Sequence[Gap], begin: int, end: int) -> Iterator[Gap]:
        asked = []
        for each in gaps:
            if each.cause is not Cause.UNKNOWN or each.last < begin or each.first >= end:
                yield each
            elif each.first < begin:
                yield each.part(each.first, begin - 1, Cause.UNKNOWN)
                asked.append(each.part(begin, min(each.last, end - 1), Cause.UNKNOWN))
            else:
                asked.append(each.part(each.first, min(each.last, end - 1), Cause.UNKNOWN))
        for near in _neighbours(asked):
            first, last = near[0].first, near[-1].last
            readable = list(self._offsets(topic, partition, first, last, "read_committed", near))
            everything = list(self._offsets(topic, partition, first, last, "read_uncommitted", near))
            for each in near:
                yield from classified(each, readable, everything)

    def records(self, topic: str, partition: int, first: int, end: int) -> Iterator[list[Any]]:
        """Yield the committed records from `first` to before `end`, in lists. Raises RecordsDeleted."""
        yield from self._read(topic, partition, first, end - 1, "read_committed")

    def has_records(self, topic: str, partition: int, first: int) -> bool:
        """Whether there are committed records from `first` on."""
        begin, end = self.bounds(topic).get(partition, (0, 0))
        try:
            return any(self.records(topic, partition, max(first, begin), end))
        except RecordsDeleted:
            return True

    def _offsets(
        self, topic: str, partition: int, first: int, last: int, isolation: str, gaps: Sequence[Gap]
    ) -> Iterator[int]:
        place = 0
        for records in self._read(topic, partition, first, last, isolation):
            for record in records:
                while place < len(gaps) and gaps[place].last < record.offset:
                    place += 1
                if place < len(gaps) and gaps[place].first <= record.offset:
                    yield record.offset

    def _read(self, topic: str, partition: int, first: int, last: int, isolation: str) -> Iterator[list[Any]]:
        consumer, place = self._consumer(isolation), TopicPartition(topic, partition)
        try:
            consumer.assign([place])
            consumer.seek(place, first)
            moved, position = time.monotonic(), first
            while position <= last:
                try:
                    records = consumer.poll(_POLL_MS).get(place, ())
                except OffsetOutOfRangeError as error:
                    begin = self.bounds(topic).get(partition, (position, position))[0]
                    if begin <= position:
                        raise
                    raise RecordsDeleted(begin) from error
                kept = [each for each in records if each.offset <= last]
                if kept:
                    yield kept
                before, position = position, consumer.position(place)
                moved = time.monotonic() if position > before else moved
                if time.monotonic() - moved > _STALLED_S:
                    raise TopicUnavailable(f"{topic}[{partition}] could not be read beyond offset {position}")
        except KafkaError as error:
            raise self._unavailable(error) from error

    def _consumer(self, isolation: str) -> Any:
        if isolation not in self._consumers:
            self._errors.clear()
            try:
                self._consumers[isolation] = KafkaConsumer(
                    **self._kafka.kafka_python_config(),
                    client_id="clickstream-archive",
                    group_id=None,
                    enable_auto_commit=False,
                    auto_offset_reset="none",
                    isolation_level=isolation,
                    bootstrap_timeout_ms=_CONNECT_MS,
                    request_timeout_ms=_REQUEST_MS,
                    max_partition_fetch_bytes=_FETCH_BYTES,
                    max_poll_records=5_000,
                    metrics_enabled=False,
                )
            except KafkaError as error:
                raise self._unavailable(error) from error
        return self._consumers[isolation]

    def _unavailable(self, error: KafkaError) -> TopicUnavailable:
        cause = self._errors.last or error
        return TopicUnavailable(f"Kafka ({','.join(self._kafka.bootstrap_servers)}): {cause}")


def _neighbours(gaps: Sequence[Gap]) -> Iterator[list[Gap]]:
    """Gaps near one another, to be read in one go."""
    group: list[Gap] = []
    for each in sorted(gaps, key=lambda gap: gap.first):
        if group and each.first - group[-1].last > _NEAR_OFFSETS:
            yield group
            group = []
        group.append(each)
    if group:
        yield group
