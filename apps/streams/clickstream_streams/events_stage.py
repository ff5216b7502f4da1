"""Stage 1: a task for each partition of the events topic, between Kafka and the counts in `partition`.

A transaction holds the changed partials, the dead letters, last the watermark record, and the offset with its metadata.
A partition that stage 2 may not know yet joins first: it publishes an empty watermark record, waits until stage 2 has
committed past it, and takes over which windows are over there, so that it never adds to one that is forgotten.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.offsets import committed_offset, events_commits, log_bounds
from clickstream_kafka.tasks import PartitionTask, Replica
from clickstream_kafka.transactions import (
    LARGEST_BATCH,
    LARGEST_RECORD,
    OutgoingRecord,
    RecordsTooLarge,
    Transactions,
)
from clickstream_streams import instruments
from clickstream_streams.columns import Record
from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit, encode_commit
from clickstream_streams.errors import FatalError
from clickstream_streams.partials import WatermarkRecord, encode_record, split
from clickstream_streams.partition import Changes, DeadLetter, Partition
from clickstream_streams.resume import BeyondTheLog, EventsStart, continue_events
from clickstream_streams.watermarks import CaughtUp, PartitionWatermark
from clickstream_streams.windows import NEVER

_JOIN_PAUSE = 0.2
_LONGEST_VALUE = LARGEST_RECORD - 2 * 1024 * 1024
"""Bytes of a dead letter's value and key, whose headers need some too."""

_SMALLEST_BATCH = 1_000

_WORTH_SAYING = 30_000
"""Milliseconds from one line in the log about refused records of a partition to the next."""

_log = logging.getLogger(__name__)


class EventsTask(PartitionTask):
    """One partition of the events topic."""

    def __init__(self, partition: TopicPartition, consumer: BatchConsumer, replica: Replica) -> None:
        super().__init__(partition, consumer, replica)
        self._label = str(partition.partition)
        self._batch_seconds = instruments.BATCH_SECONDS.labels("events")
        self._caught_up = CaughtUp()
        self._behind = 0
        self._state: Partition | None = None
        self._batch_bytes = LARGEST_BATCH
        self._without_key: set[int] = set()
        self._without_value: set[int] = set()
        self._refused = 0
        self._said_at = NEVER

    async def start_producer(self) -> Transactions:
        transactional_id = self.settings.transactional_id(self.partition.partition)
        return await Transactions.open(self.kafka, transactional_id, self.clock, self._batch_bytes)

    # -- restoring ----------------------------------------------------------------------------------------------------

    async def restore(self, transactions: Transactions) -> None:
        began = self.clock.monotonic()
        self.step = f"the commit of {self.settings.group_id}"
        committed = await committed_offset(self.admin, self.settings.group_id, self.partition)
        self._batch_seconds = instruments.BATCH_SECONDS.labels("events")
        self._caught_up = CaughtUp()
        state = self._state
        if state is not None and _is_last_commit_of(state, committed):
            self._state = self._with_fresh_silence(state)
            self.consumer.seek(self.partition, state.offset)
            return
        self._state = None
        self.step = f"the end of {self.partition.topic}"
        log = await log_bounds(self.consumer, self.partition, committed)
        self.step = f"the commits of {self.settings.group_id}"
        try:
            peers = await events_commits(self.admin, self.settings.group_id, self.partition.topic)
            start = continue_events(committed, log, self.settings.rules, peers)
        except BeyondTheLog as error:
            raise FatalError(_recreated(self.partition.topic, self.settings.group_id, error)) from error
        if committed is None:
            _log.info("%s: no offset is committed; counts what the log holds, from offset %d", self._name, log.first)
        if start.notice:
            _log.warning("%s: %s", self._name, start.notice, extra={"partition": self.partition.partition})
        commit = start.commit if start.commit.joined else await self._join(transactions, start)
        while not self.clock.is_settled:
            self.step = "the brokers' time"
            await self._write(transactions, Changes({}, (), start.offset, commit))
        state = Partition(
            commit,
            start.offset,
            self._watermark(commit.watermark),
            allowed_lateness=self.settings.allowed_lateness,
            exact_limit=self.settings.exact_limit,
        )
        await self._replay(state, commit.replay_from)
        self._state = self._with_fresh_silence(state)
        instruments.RESTORE_SECONDS.labels("events").observe((self.clock.monotonic() - began) / 1000)

    async def _join(self, transactions: Transactions, start: EventsStart) -> EventsCommit:
        empty = Changes({}, (), start.offset, start.commit)
        self.step = f"its first word on {self.settings.topics.partials_topic}"
        while (written := await self._write(transactions, empty)) < 0:
            pass  # the broker had the record already, and did not say where: DUPLICATE_SEQUENCE_NUMBER
        partials = TopicPartition(self.settings.topics.partials_topic, 0)
        self.step = f"{self.settings.merge_group_id} to take it in"
        while True:
            committed = await committed_offset(self.admin, self.settings.merge_group_id, partials)
            commit = committed and decode_commit(committed.metadata, MergeCommit)
            if commit and committed and committed.offset > written and commit.rules == self.settings.rules:
                over = max(start.commit.final_before, commit.final_before)
                return msgspec.structs.replace(start.commit, final_before=over, joined=True)
            self.beat()
            await asyncio.sleep(_JOIN_PAUSE)

    async def _replay(self, state: Partition, replay_from: int) -> None:
        self.consumer.seek(self.partition, replay_from)
        while (position := await self.consumer.position(self.partition)) < state.offset:
            self.step = f"what it has to read again, to offset {state.offset}, now at {position}"
            for records in await self.poll():
                state.restore([record for record in records if record.offset < state.offset])
            self.beat()
            await asyncio.sleep(0)
        state.restored()
        self.consumer.seek(self.partition, state.offset)

    def _watermark(self, value: int) -> PartitionWatermark:
        return PartitionWatermark(
            out_of_orderness=self.settings.out_of_orderness,
            idle_timeout=self.settings.idle_timeout,
            monotonic=self.clock.monotonic(),
            value=value,
        )

    def _with_fresh_silence(self, state: Partition) -> Partition:
        state.watermark = self._watermark(state.watermark.value)
        return state

    def forget(self) -> None:
        self._state = None

    def hide(self) -> None:
        for gauge in instruments.OF_A_PARTITION:
            gauge.remove(self._label)

    # -- processing ---------------------------------------------------------------------------------------------------

    async def process(self, fetched: Iterable[Sequence[Record]]) -> None:
        state = self._known_state()
        counted = state.counted
        for records in fetched:
            if records[0].offset < state.offset:
                error = f"offset {records[0].offset} follows {state.offset - 1}"
                raise FatalError(_recreated(self.partition.topic, self.settings.group_id, error))
            with self._batch_seconds.time():
                state.process(records, clock=self.clock.now(), monotonic=self.clock.monotonic())
            if state.is_full:
                break
        instruments.EVENTS.labels(self._label).inc(state.counted - counted)
        position = await self.consumer.position(self.partition)
        state.offset = max(state.offset, position)
        end = self.consumer.highwater(self.partition)
        monotonic = self.clock.monotonic()
        caught_up = self._caught_up.turn(
            position=position,
            end=end,
            fetched_at=self.consumer.last_poll_timestamp(self.partition),
            monotonic=monotonic,
        )
        state.watermark.turn(caught_up=caught_up, clock=self.clock.now(), monotonic=monotonic)
        if end is not None:
            self._behind = max(0, end - state.offset)
            instruments.LAG.labels(self._label).set(self._behind)
        self._show(state)

    def _show(self, state: Partition) -> None:
        if state.watermark.value != NEVER:
            instruments.WATERMARK.labels(self._label).set(state.watermark.value / 1000)
        instruments.OPEN_WINDOWS.labels(self._label).set(state.open_windows)
        instruments.APPROXIMATE_WINDOWS.labels(self._label).set(state.approximate_windows)

    def _known_state(self) -> Partition:
        assert self._state is not None, "a partition is processed only after it was restored"
        return self._state

    # -- transactions -------------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        return self._known_state().has_news() or self.clock.is_stale

    def is_urgent(self) -> bool:
        return self._known_state().is_urgent(self._behind)

    def is_full(self) -> bool:
        return self._known_state().is_full

    async def commit(self, transactions: Transactions) -> None:
        state = self._known_state()
        changes = state.changes()
        with instruments.COMMIT_SECONDS.labels("events").time():
            await self._write(transactions, changes)
        self._without_key.clear()
        self._without_value.clear()
        state.commit(changes)
        for letter in changes.dead_letters:
            instruments.DEAD_LETTERS.labels(letter.reason).inc()
        self._say_what_was_refused(changes.dead_letters)

    def _say_what_was_refused(self, letters: Sequence[DeadLetter]) -> None:
        self._refused += len(letters)
        if not letters or self.clock.monotonic() - self._said_at < _WORTH_SAYING:
            return
        last = letters[-1]
        _log.warning(
            "%s: refused %d records; they are on %s. The last one, at offset %d, is %s: %s",
            self._name,
            self._refused,
            self.settings.topics.dead_letter_topic,
            last.record.offset,
            last.reason,
            last.error,
            extra={"partition": self.partition.partition, "offset": last.record.offset, "reason": last.reason},
        )
        self._refused, self._said_at = 0, self.clock.monotonic()

    async def _write(self, transactions: Transactions, changes: Changes) -> int:
        """Write the changes; return the offset of the watermark record on the partials topic."""
        partials = list(self._partials(changes))
        records = [*partials, *map(self._dead_letter, changes.dead_letters), self._last_word(changes)]
        metadata = encode_commit(changes.commit)
        try:
            written = await transactions.run(records, self.partition, changes.offset, metadata, self.settings.group_id)
        except RecordsTooLarge as error:
            letters = dict(enumerate(changes.dead_letters, start=len(partials)))
            self._make_smaller([letters[position].record for position in error.positions if position in letters])
            raise
        return int(written[-1].offset)

    def _make_smaller(self, refused: Sequence[Record]) -> None:
        """Have these dead letters tried again in smaller batches, or without what is larger than a batch.

        That was refused for its own size, anything else for the size of its batch. None may stop the stream.
        """
        alone = not refused
        for record in refused:
            value = 0 if record.offset in self._without_value else len(record.value or b"")
            key = 0 if record.offset in self._without_key else len(record.key or b"")
            if max(value, key) > self._batch_bytes:
                alone = True
                (self._without_value if value >= key else self._without_key).add(record.offset)
        if not alone:
            self._batch_bytes = max(_SMALLEST_BATCH, self._batch_bytes // 2)

    def _partials(self, changes: Changes) -> Iterator[OutgoingRecord]:
        for window, partial in changes.partials.items():
            for part in split(self.settings.rules, self.partition.partition, window, partial):
                yield self._internal(encode_record(part))

    def _last_word(self, changes: Changes) -> OutgoingRecord:
        commit = changes.commit
        over = max(commit.final_before, commit.expired_to)
        record = WatermarkRecord(self.settings.rules, self.partition.partition, commit.watermark, over, commit.began)
        return self._internal(encode_record(record))

    def _internal(self, value: bytes) -> OutgoingRecord:
        headers = (self.settings.group_header,)
        return OutgoingRecord(self.settings.topics.partials_topic, value, self._label.encode(), 0, headers)

    def _dead_letter(self, letter: DeadLetter) -> OutgoingRecord:
        record = letter.record
        headers = {
            "reason": letter.reason,
            "error": letter.error,
            "source-topic": self.partition.topic,
            "source-partition": str(self.partition.partition),
            "source-offset": str(record.offset),
            "app": "clickstream-streams",
        }
        key, value = record.key, record.value
        size = len(key or b"") + len(value or b"")
        if value is not None and (size > _LONGEST_VALUE or record.offset in self._without_value):
            headers["error"] += f"; its {len(value)} bytes are too many for this topic, they are at its source"
            value = None
        if key is not None and (len(key) > _LONGEST_VALUE or record.offset in self._without_key):
            headers["error"] += f"; its key's {len(key)} bytes are too many for this topic, they are at its source"
            key = None
        return OutgoingRecord(
            self.settings.topics.dead_letter_topic,
            value,
            key=key,
            headers=(*((name, text.encode()) for name, text in headers.items()), self.settings.group_header),
        )


def _is_last_commit_of(state: Partition, committed: OffsetAndMetadata | None) -> bool:
    return (
        committed is not None
        and committed.offset == state.committed_offset
        and decode_commit(committed.metadata, EventsCommit) == state.committed
    )


def _recreated(topic: str, group_id: str, found: object) -> str:
    return (
        f"{topic} is not the log that was committed: {found}. Was it deleted and made again? Then stop all replicas and"
        f" reset the offsets of its groups: clickstream-streams reset --group-id {group_id} --to-earliest"
    )
