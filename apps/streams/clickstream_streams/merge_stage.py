"""Stage 2: the task of the partials topic's one partition, between Kafka and the merge in `merging`.

Its owner emits the results of the whole topic; the other replicas stand by. A transaction contains the results that are
due, and the offset with its metadata. When it restores, the owner reads back what was emitted for windows that can
still change, so that revisions continue and nothing is emitted twice. Processors of other groups may write to the same
topics; their records are ignored.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from clickstream_core.groups import group_of
from clickstream_core.receipts import RECEIPT_HEADER, encode_receipt
from clickstream_core.timestamps import format_milliseconds, format_seconds, parse_timestamp
from clickstream_core.window_metrics import encode_window_metrics
from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.errors import FatalError
from clickstream_kafka.offsets import committed_metadata, committed_offset, log_bounds, partition_count
from clickstream_kafka.records import OutgoingRecord, Record
from clickstream_kafka.tasks import PartitionTask, Replica
from clickstream_kafka.transactions import Transactions
from clickstream_streams import instruments
from clickstream_streams.commits import EventsCommit, decode_commits, encode_commit
from clickstream_streams.errors import BeyondTheLog, UnreadablePartial
from clickstream_streams.merging import Merge, Result
from clickstream_streams.partials import InvalidRecord, NewerFormat, PartialPart, decode_record
from clickstream_streams.report import announce_window
from clickstream_streams.results import ResultPlaces, emitted_results
from clickstream_streams.resume import resume_merge
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.windows import NEVER

_COUNT_INTERVAL_MS = 5_000
_SHRINK_AFTER_MS = 30_000
"""How long all answers must report fewer partitions, and the others write nothing, until that is believed.

A broker may not know yet of some that were just added.
"""

_LOG_WAITING_AFTER_MS = 30_000
_LAG_TIMEOUT_MS = 2_000
_SEEK_FROM_RECORDS = 1_000
"""Seeking over so many records costs less than reading them."""

_COUNT_AGAIN = (
    "To count again what the topics still hold, stop all replicas and run clickstream-streams reset --to-earliest"
)

_log = logging.getLogger(__name__)


class MergeTask(PartitionTask):
    """The partials topic's one partition."""

    def __init__(
        self,
        partition: TopicPartition,
        consumer: BatchConsumer,
        replica: Replica,
        *,
        settings: StreamsSettings,
        commit_visible_after_ms: int = 500,
    ) -> None:
        super().__init__(partition, consumer, replica)
        self.settings = settings
        self._commit_visible_after_ms = commit_visible_after_ms
        self._merge: Merge | None = None
        self._places = ResultPlaces((), ())
        self._offset = 0
        self._committed_offset = -1
        self._counted_at = self.clock.monotonic()
        self._fewer_since: int | None = None
        self._fewer_from = 0
        self._waiting_since: dict[int, int] = {}

    async def start_producer(self) -> Transactions:
        return await Transactions.open(self.kafka, self.settings.merge_group_id, self.clock)

    # -- restoring ----------------------------------------------------------------------------------------------------

    async def restore(self, transactions: Transactions) -> None:
        began = self.clock.monotonic()
        self._fewer_since = None
        settings = self.settings
        self.step = f"the commit of {settings.merge_group_id}"
        committed = await committed_offset(self.admin, settings.merge_group_id, self.partition)
        self.step = f"the end of {self.partition.topic}"
        log = await log_bounds(self.consumer, self.partition, committed)
        try:
            start = resume_merge(committed, log, settings.rules, counted=await self._has_counted())
        except BeyondTheLog as error:
            raise FatalError(
                f"{self.partition.topic} is not the log that was committed: {error}. Was it deleted and made again? "
                f"Then stop all replicas and run clickstream-streams reset --group-id {settings.group_id} --to-earliest"
            ) from error
        if start.notice:
            _log.warning("%s: %s", self.name, start.notice)
        self.step = f"the results on {settings.topics.metrics_topic}"
        metrics_partitions = await partition_count(self.admin, settings.topics.metrics_topic)
        emitted, ends = await emitted_results(
            self.kafka,
            settings.topics.metrics_topic,
            metrics_partitions,
            settings.group_id,
            over=start.commit.final_before,
            begin=start.commit.results_from if start.commit.results_topic == settings.topics.metrics_topic else (),
            beat=self.beat,
        )
        if start.commit.only_more and start.offset == start.commit.forgotten_to and emitted:
            _log.warning(
                "%s: there are results of group %s, but no offsets: what %s still holds is counted again, and a result"
                " is replaced only by one of more events",
                self.name,
                settings.group_id,
                settings.topics.events_topic,
            )
        self.step = f"the partitions of {settings.topics.events_topic}"
        partitions = await partition_count(self.admin, settings.topics.events_topic)
        results = [each.metrics for each in emitted]
        merge = Merge(start.commit, results, partitions, revision_interval=settings.revision_interval)
        await self._replay(merge, start.commit.replay_from, start.offset)
        merge.settle(self.clock.monotonic(), whole=start.commit.replay_from == 0)
        self._merge, self._offset, self._committed_offset = merge, start.offset, -1
        self._places = ResultPlaces(emitted, ends)
        instruments.RESTORE_SECONDS.labels("merge").observe((self.clock.monotonic() - began) / 1000)

    async def _has_counted(self) -> bool:
        """Whether a partition of the events topic has committed what it counted; called once the log's end is known.

        A transaction's records may be visible a moment before the offset that it commits, so the second answer counts.
        """
        self.step = f"the commits of {self.settings.group_id}"
        for pause_ms in (self._commit_visible_after_ms, 0):
            metadata = await committed_metadata(self.admin, self.settings.group_id, self.settings.topics.events_topic)
            if any(commit.joined for commit in decode_commits(metadata, EventsCommit)):
                return True
            await asyncio.sleep(pause_ms / 1000)
        return False

    async def _replay(self, merge: Merge, replay_from: int, offset: int) -> None:
        self.consumer.seek(self.partition, replay_from)
        while (position := await self.consumer.position(self.partition)) < offset:
            self.step = f"the replay to offset {offset}, now at {position}"
            for records in await self.poll():
                for record in records:
                    if record.offset < offset:
                        self._apply(merge, record)
            self.beat()
        self.consumer.seek(self.partition, offset)

    def forget(self) -> None:
        self._merge = None

    def clear_metrics(self) -> None:
        self._waiting_since = {}
        instruments.WAITING_SECONDS.set(0)

    # -- processing ---------------------------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record]) -> None:
        """Apply the partitions' next partials and watermarks."""
        merge = self._restored_merge()
        with instruments.BATCH_SECONDS.labels("merge").time():
            for record in records:
                self._apply(merge, record)

    async def advance(self) -> None:
        """Note the offset; follow changes of the topic's partitions; watch for windows that wait."""
        merge = self._restored_merge()
        self._offset = await self.consumer.position(self.partition)
        await self._follow_the_topic(merge)
        await self._watch(merge)

    def _apply(self, merge: Merge, record: Record) -> None:
        if group_of(record.headers) != self.settings.group_id:
            return
        try:
            merge.apply(record.offset, decode_record(record.value or b""))
        except InvalidRecord as error:
            instruments.SKIPPED_INTERNAL_RECORDS.inc()
            _log.warning(
                "%s offset %d is not a record of ours, skipped: %s",
                self.name,
                record.offset,
                error,
                extra={"partition": self.partition.partition, "offset": record.offset},
            )
        except NewerFormat as error:
            raise FatalError(
                f"{self.name} offset {record.offset} was written by a newer version of the processor ({error}): start"
                " that version again"
            ) from error
        except UnreadablePartial as error:
            raise FatalError(f"{self.name}: can't read {error}. {_COUNT_AGAIN}") from error

    async def _follow_the_topic(self, merge: Merge) -> None:
        now = self.clock.monotonic()
        if now - self._counted_at < _COUNT_INTERVAL_MS:
            return
        self._counted_at = now
        topic = self.settings.topics.events_topic
        try:
            count = await partition_count(self.admin, topic)
        except KafkaError as error:
            _log.debug("could not count the partitions of %s: %r", topic, error)
            self._fewer_since = None
            return
        if count >= merge.known_partitions:
            merge.partitions, self._fewer_since = count, None
        elif self._fewer_since is None or merge.heard_from_since(count, self._fewer_from):
            self._fewer_since, self._fewer_from = now, self._offset
        elif now - self._fewer_since >= _SHRINK_AFTER_MS:
            _log.warning(
                "%s was created again with %d of %d partitions: windows no longer wait for the others",
                topic,
                count,
                merge.known_partitions,
            )
            merge.shrink(count)
            self._fewer_since = None

    async def _watch(self, merge: Merge) -> None:
        """Show how long a window has been waiting for a partition; after 30 s, log which one, every 30 s.

        The time is that of one window: a partition that always lags closes one after the other, each of them late.
        """
        now = self.clock.monotonic()
        self._waiting_since = {window: self._waiting_since.get(window, now) for window in merge.waiting()}
        since, window = min(((since, window) for window, since in self._waiting_since.items()), default=(now, NEVER))
        instruments.WAITING_SECONDS.set((now - since) / 1000)
        if now - since >= _LOG_WAITING_AFTER_MS and self.may_log("waiting"):
            partition, watermark = merge.slowest()
            lag = await self._lag(partition)
            _log.warning(
                "window %s has been waiting for %d s for partition %d, whose watermark is %s and whose lag is %s",
                format_seconds(window),
                (now - since) // 1000,
                partition,
                "not known" if watermark == NEVER else format_milliseconds(watermark),
                "not known" if lag is None else lag,
                extra={"window": format_seconds(window), "partition": partition},
            )

    async def _lag(self, number: int) -> int | None:
        """Return the group's lag in a partition of the events topic; None without an answer within 2 s."""
        partition = TopicPartition(self.settings.topics.events_topic, number)
        try:
            async with asyncio.timeout(_LAG_TIMEOUT_MS / 1000):
                committed = await committed_offset(self.admin, self.settings.group_id, partition)
                end = (await self.consumer.end_offsets([partition]))[partition]
        except (KafkaError, TimeoutError):
            return None
        return None if committed is None else max(0, int(end) - int(committed.offset))

    def _restored_merge(self) -> Merge:
        assert self._merge is not None, "the merge is restored before it is processed"
        return self._merge

    # -- transactions -------------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        return self._offset != self._committed_offset or bool(self._restored_merge().due(self.clock.monotonic()))

    def is_urgent(self) -> bool:
        return self._restored_merge().has_first_results()

    async def commit(self, transactions: Transactions) -> None:
        merge = self._restored_merge()
        results = await self._due_results(merge)
        records = [self._record(result) for result in results]
        commit = merge.commit(self._offset)
        commit = msgspec.structs.replace(
            commit,
            results_topic=self.settings.topics.metrics_topic,
            results_from=self._places.begin(commit.final_before),
        )
        with instruments.COMMIT_SECONDS.labels("merge").time():
            written = await transactions.run(
                records, self.partition, self._offset, encode_commit(commit), self.settings.merge_group_id
            )
        self._committed_offset = self._offset
        for result, place in zip(results, written, strict=True):
            metrics = result.metrics
            self._places.note(metrics, place.partition, place.offset)
            if metrics.revision:
                instruments.WINDOWS.labels("revision").inc()
            else:
                instruments.WINDOWS.labels("first").inc()
                waited = self.clock.now() - parse_timestamp(metrics.window_end)
                instruments.WINDOW_LATENCY_SECONDS.observe(max(0, waited) / 1000)
            announce_window(metrics)

    async def _due_results(self, merge: Merge) -> list[Result]:
        now = self.clock.monotonic()
        results: list[Result] = []
        for windows in merge.portions(merge.due(now)):
            missing = merge.missing(windows)
            if missing:
                merge.read_back(windows, await self._read_again(missing))
            results += merge.results(windows, now)
        return results

    async def _read_again(self, offsets: Sequence[int]) -> dict[int, PartialPart]:
        """Return the partials at these offsets, which are in order, and seek back to the next record.

        Raises OffsetOutOfRangeError when one of them is no longer in the log.
        """
        parts: dict[int, PartialPart] = {}
        wanted = deque(offsets)
        while wanted:
            if not 0 <= wanted[0] - await self.consumer.position(self.partition) < _SEEK_FROM_RECORDS:
                self.consumer.seek(self.partition, wanted[0])
            for records in await self.poll():
                for record in records:
                    if not wanted or record.offset < wanted[0]:
                        continue
                    internal = decode_record(record.value or b"") if record.offset == wanted[0] else None
                    if not isinstance(internal, PartialPart):
                        raise OffsetOutOfRangeError({self.partition: wanted[0]})
                    parts[wanted.popleft()] = internal
            self.beat()
        self.consumer.seek(self.partition, self._offset)
        return parts

    def _record(self, result: Result) -> OutgoingRecord:
        receipt = None if result.receipt is None else encode_receipt(result.receipt)
        return OutgoingRecord(
            self.settings.topics.metrics_topic,
            encode_window_metrics(result.metrics),
            key=result.metrics.window_start.encode(),
            headers=(self.settings.group_header, *(() if receipt is None else ((RECEIPT_HEADER, receipt),))),
        )
