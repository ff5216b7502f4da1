"""Stage 1: a task for each partition of the events topic, between Kafka and the counts in `partition`.

A transaction contains the changed partials, the dead letters, the watermark record as the last one, and the offset with
its metadata. A partition that stage 2 may not know yet joins first: it publishes an empty watermark record, waits until
stage 2 has committed past it, and takes over which windows are over there, so that it never adds to a window that stage
2 has forgotten.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence

import msgspec
from aiokafka import TopicPartition

from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.dead_letters import DeadLetters
from clickstream_kafka.errors import FatalError
from clickstream_kafka.offsets import committed_metadata, committed_offset, log_bounds
from clickstream_kafka.records import CommittedOffset, OutgoingRecord, Record
from clickstream_kafka.tasks import PartitionTask, Replica
from clickstream_kafka.transactions import RecordsTooLarge, Transactions
from clickstream_streams import instruments
from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit, decode_commits, encode_commit
from clickstream_streams.counting import MakeCounting
from clickstream_streams.errors import BeyondTheLog
from clickstream_streams.partials import WatermarkRecord, encode_record, split
from clickstream_streams.partition import Changes, Partition
from clickstream_streams.resume import EventsStart, resume_events
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.watermarks import CaughtUp, PartitionWatermark
from clickstream_streams.windows import NEVER

_log = logging.getLogger(__name__)


class EventsTask(PartitionTask):
    """One partition of the events topic."""

    def __init__(
        self,
        partition: TopicPartition,
        consumer: BatchConsumer,
        replica: Replica,
        *,
        settings: StreamsSettings,
        make_counting: MakeCounting,
        join_pause_ms: int = 200,
    ) -> None:
        super().__init__(partition, consumer, replica)
        self.settings = settings
        self._make_counting = make_counting
        self._join_pause_ms = join_pause_ms
        self._label = str(partition.partition)
        self._batch_seconds = instruments.BATCH_SECONDS.labels("events")
        self._caught_up = CaughtUp()
        self._lag = 0
        self._state: Partition | None = None
        self._shown_events = 0
        dead_letter_topic, header = settings.topics.dead_letter_topic, settings.group_header
        self._dead_letters = DeadLetters(dead_letter_topic, "clickstream-streams", partition, (header,))

    async def start_producer(self) -> Transactions:
        transactional_id = self.settings.transactional_id(self.partition.partition)
        return await Transactions.open(self.kafka, transactional_id, self.clock, self._dead_letters.batch_bytes)

    # -- restoring ----------------------------------------------------------------------------------------------------

    async def restore(self, transactions: Transactions) -> None:
        began = self.clock.monotonic()
        self.step = f"the commit of {self.settings.group_id}"
        committed = await committed_offset(self.admin, self.settings.group_id, self.partition)
        self._batch_seconds = instruments.BATCH_SECONDS.labels("events")
        self._caught_up = CaughtUp()
        state = self._state
        if state is not None and _is_last_commit_of(state, committed):
            self._resume(state)
            return
        self._state = None
        self.step = f"the end of {self.partition.topic}"
        log = await log_bounds(self.consumer, self.partition, committed)
        self.step = f"the commits of {self.settings.group_id}"
        try:
            peers = await committed_metadata(self.admin, self.settings.group_id, self.partition.topic)
            start = resume_events(committed, log, self.settings.rules, decode_commits(peers, EventsCommit))
        except BeyondTheLog as error:
            raise FatalError(_recreated(self.partition.topic, self.settings.group_id, error)) from error
        if committed is None:
            _log.info("%s: no offset is committed; counts what the log holds, from offset %d", self.name, log.first)
        if start.notice:
            _log.warning("%s: %s", self.name, start.notice, extra={"partition": self.partition.partition})
        commit = start.commit if start.commit.joined else await self._join(transactions, start)
        while not self.clock.is_settled:
            self.step = "the brokers' time"
            await self._write(transactions, Changes({}, (), start.offset, commit))
        state = Partition(
            commit,
            start.offset,
            self._watermark(commit.watermark),
            self._make_counting(commit.rules, self.settings.exact_limit),
            allowed_lateness=self.settings.allowed_lateness,
        )
        await self._replay(state, commit.replay_from)
        self._shown_events = 0
        self._resume(state)
        instruments.RESTORE_SECONDS.labels("events").observe((self.clock.monotonic() - began) / 1000)

    async def _join(self, transactions: Transactions, start: EventsStart) -> EventsCommit:
        empty = Changes({}, (), start.offset, start.commit)
        self.step = f"its first record on {self.settings.topics.partials_topic}"
        while (written := await self._write(transactions, empty)) < 0:
            pass  # the broker had the record already, and did not return its offset: DUPLICATE_SEQUENCE_NUMBER
        partials = TopicPartition(self.settings.topics.partials_topic, 0)
        self.step = f"{self.settings.merge_group_id} to commit that record"
        while True:
            committed = await committed_offset(self.admin, self.settings.merge_group_id, partials)
            commit = committed and decode_commit(committed.metadata, MergeCommit)
            if commit and committed and committed.offset > written and commit.rules == self.settings.rules:
                over = max(start.commit.final_before, commit.final_before)
                return msgspec.structs.replace(start.commit, final_before=over, joined=True)
            self.beat()
            await asyncio.sleep(self._join_pause_ms / 1000)

    async def _replay(self, state: Partition, replay_from: int) -> None:
        self.consumer.seek(self.partition, replay_from)
        while (position := await self.consumer.position(self.partition)) < state.offset:
            self.step = f"the replay to offset {state.offset}, now at {position}"
            for records in await self.poll():
                state.restore(records)
            self.beat()
            await asyncio.sleep(0)
        state.restored()

    def _watermark(self, value: int) -> PartitionWatermark:
        return PartitionWatermark(
            out_of_orderness=self.settings.out_of_orderness,
            idle_timeout=self.settings.idle_timeout,
            monotonic=self.clock.monotonic(),
            value=value,
        )

    def _resume(self, state: Partition) -> None:
        """Go on with the state at its offset; the time since its last record does not count as idle."""
        state.watermark = self._watermark(state.watermark.value)
        self.consumer.seek(self.partition, state.offset)
        self._state = state

    def forget(self) -> None:
        self._state = None

    def clear_metrics(self) -> None:
        for gauge in instruments.OF_A_PARTITION:
            gauge.remove(self._label)

    # -- processing ---------------------------------------------------------------------------------------------------

    def count(self, records: Sequence[Record]) -> None:
        """Count the partition's next records in their windows, or refuse them."""
        state = self._restored_state()
        if records[0].offset < state.offset:
            error = f"offset {records[0].offset} follows {state.offset - 1}"
            raise FatalError(_recreated(self.partition.topic, self.settings.group_id, error))
        with self._batch_seconds.time():
            state.process(records, clock=self.clock.now(), monotonic=self.clock.monotonic())

    async def advance(self) -> None:
        """Let the watermark follow the clock if the partition is idle, and show how far the partition is."""
        state = self._restored_state()
        instruments.EVENTS.labels(self._label).inc(state.counted - self._shown_events)
        self._shown_events = state.counted
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
            self._lag = max(0, end - state.offset)
            instruments.LAG.labels(self._label).set(self._lag)
        self._show(state)

    def _show(self, state: Partition) -> None:
        if state.watermark.value != NEVER:
            instruments.WATERMARK.labels(self._label).set(state.watermark.value / 1000)
        instruments.OPEN_WINDOWS.labels(self._label).set(state.open_windows)
        instruments.APPROXIMATE_WINDOWS.labels(self._label).set(state.approximate_windows)

    def _restored_state(self) -> Partition:
        assert self._state is not None, "a partition is restored before it is processed"
        return self._state

    # -- transactions -------------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        return self._restored_state().has_news() or self.clock.is_stale

    def is_urgent(self) -> bool:
        return self._restored_state().is_urgent(self._lag)

    def is_full(self) -> bool:
        return self._restored_state().is_full

    async def commit(self, transactions: Transactions) -> None:
        state = self._restored_state()
        changes = state.changes()
        with instruments.COMMIT_SECONDS.labels("events").time():
            await self._write(transactions, changes)
        self._dead_letters.written(changes.dead_letters)
        state.commit(changes)
        for letter in changes.dead_letters:
            instruments.DEAD_LETTERS.labels(letter.reason).inc()
        self._dead_letters.log_refused(changes.dead_letters, _log, self.name, self.may_log)

    async def _write(self, transactions: Transactions, changes: Changes) -> int:
        """Write the changes; return the offset of the watermark record on the partials topic."""
        partials = list(self._partials(changes))
        records = [*partials, *map(self._dead_letters.outgoing, changes.dead_letters), self._watermark_record(changes)]
        metadata = encode_commit(changes.commit)
        try:
            written = await transactions.run(records, self.partition, changes.offset, metadata, self.settings.group_id)
        except RecordsTooLarge as error:
            self._dead_letters.make_smaller(changes.dead_letters, len(partials), error.positions)
            raise
        return int(written[-1].offset)

    def _partials(self, changes: Changes) -> Iterator[OutgoingRecord]:
        for window, partial in changes.partials.items():
            for part in split(self.settings.rules, self.partition.partition, window, partial):
                yield self._internal(encode_record(part))

    def _watermark_record(self, changes: Changes) -> OutgoingRecord:
        commit = changes.commit
        over = max(commit.final_before, commit.expired_to)
        record = WatermarkRecord(self.settings.rules, self.partition.partition, commit.watermark, over, commit.began)
        return self._internal(encode_record(record))

    def _internal(self, value: bytes) -> OutgoingRecord:
        headers = (self.settings.group_header,)
        return OutgoingRecord(self.settings.topics.partials_topic, value, self._label.encode(), 0, headers)


def _is_last_commit_of(state: Partition, committed: CommittedOffset | None) -> bool:
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
