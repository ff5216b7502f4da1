"""A task for each partition of an input topic, between Kafka and what the partition owes (`partition`).

A transaction contains results, dead letters, and the offset. After a crash the partition is read again from its
commit; the request ids of the ten minutes before it are read first, without writing anything.

A member that the store does not know about yet holds its partition back: for 30 s after the store stopped answering,
and as long as the newest request of the batch is younger than that. So nothing waits for longer than 30 s, and while
the database stays away requests are late by that time, and do not pile up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter

import msgspec
from aiokafka import TopicPartition

from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.dead_letters import DeadLetters
from clickstream_kafka.errors import FatalError
from clickstream_kafka.offsets import committed_offset, log_bounds
from clickstream_kafka.records import CommittedOffset, LogBounds, OutgoingRecord, Record
from clickstream_kafka.tasks import PartitionTask, Replica
from clickstream_kafka.transactions import RecordsTooLarge, Transactions
from clickstream_scenarios import instruments
from clickstream_scenarios.member import Member
from clickstream_scenarios.partition import Changes, Commit, Entry, Partition, ReadRecord
from clickstream_scenarios.recent_ids import RecentIds
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.settings import APP, ScenariosSettings
from clickstream_scenarios.sources import Members, Rules

MEMBER_WAIT_MS = 30_000
_RULES_PAUSE_S = 0.2
_MEMBER_PAUSE_S = 0.5

_log = logging.getLogger(__name__)


class CompiledRules:
    """The rules, each version compiled once; shared by all tasks."""

    def __init__(self, rules: Rules) -> None:
        self.source = rules
        self._compiled: dict[int, Rule] = {}

    def find(self, scenario_id: int) -> Rule | None:
        """Return the newest version of a scenario, or None."""
        scenario = self.source.scenario(scenario_id)
        if scenario is None:
            self._compiled.pop(scenario_id, None)
            return None
        rule = self._compiled.get(scenario_id)
        if rule is None or rule.scenario is not scenario:
            rule = self._compiled[scenario_id] = Rule(scenario)
            for success in ("1", "0"):  # both, or a scenario without successes would have no share of them
                instruments.RESULTS.labels(success, str(scenario_id))
        return rule


class RequestsTask(PartitionTask):
    """One partition of the access logs, or of the events."""

    def __init__(
        self,
        partition: TopicPartition,
        consumer: BatchConsumer,
        replica: Replica,
        *,
        settings: ScenariosSettings,
        read_record: ReadRecord,
        rules: CompiledRules,
        members: Members,
    ) -> None:
        super().__init__(partition, consumer, replica)
        self.settings = settings
        self._group_id = settings.group_of(partition.topic)
        self._rules = rules
        self._members = members
        self._make_state = partial(Partition, read_record=read_record, find_rule=rules.find)
        self._state: Partition | None = None
        self._members_missing_since: int | None = None
        header = (("group", settings.group_id.encode()),)
        self._dead_letters = DeadLetters(settings.topics.dead_letter_topic, APP, partition, header)
        self._labels = (partition.topic, str(partition.partition))
        self._forgotten = 0

    async def start_producer(self) -> Transactions:
        transactional_id = f"{self._group_id}-{self.partition.partition}"
        return await Transactions.open(self.kafka, transactional_id, self.clock, self._dead_letters.batch_bytes)

    # -- restoring ----------------------------------------------------------------------------------------------------

    async def restore(self, transactions: Transactions) -> None:
        began = self.clock.monotonic()
        while self._rules.source.waits_for():
            self.step = self._rules.source.waits_for()
            self.beat()
            await asyncio.sleep(_RULES_PAUSE_S)
        self.step = f"the commit of {self._group_id}"
        committed = await committed_offset(self.admin, self._group_id, self.partition)
        if self._state is not None and _is_last_commit_of(self._state, committed):
            self.consumer.seek(self.partition, self._state.offset)
            return
        self._state = None
        self.step = f"the end of {self.partition.topic}"
        log = await log_bounds(self.consumer, self.partition, committed)
        offset, replay_from = self._start(committed, log)
        state = self._make_state(offset, recent=RecentIds())
        await self._replay(state, replay_from)
        self.consumer.seek(self.partition, offset)
        self._state = state
        self._forgotten = 0
        instruments.RESTORE_SECONDS.observe((self.clock.monotonic() - began) / 1000)

    def _start(self, committed: CommittedOffset | None, log: LogBounds) -> tuple[int, int]:
        """Return where to go on, and from where to read request ids again."""
        if committed is None:
            _log.info("%s: no offset is committed; begins at offset %d", self.name, log.first)
            return log.first, log.first
        if committed.offset > log.end:
            found = f"the committed offset {committed.offset} is beyond the log's end {log.end}"
            raise FatalError(self._recreated(found))
        offset = max(committed.offset, log.first)
        if offset > committed.offset:
            _log.warning(
                "%s: offsets %d to %d are gone from the log; their requests have no result",
                self.name,
                committed.offset,
                log.first,
            )
        commit = decode_commit(committed.metadata)
        return offset, offset if commit is None else min(offset, max(commit.replay_from, log.first))

    def _recreated(self, found: str) -> str:
        return (
            f"{self.partition.topic} is not the log that was committed: {found}. Was it deleted and made again? Then"
            f" stop all replicas and reset the offsets of the group {self._group_id}: kafka-consumer-groups.sh"
            f" --group {self._group_id} --topic {self.partition.topic} --reset-offsets --to-earliest --execute"
        )

    async def _replay(self, state: Partition, replay_from: int) -> None:
        self.consumer.seek(self.partition, replay_from)
        while (position := await self.consumer.position(self.partition)) < state.offset:
            self.step = f"the request ids up to offset {state.offset}, now at {position}"
            for records in await self.poll():
                state.restore([record for record in records if record.offset < state.offset])
            self.beat()
            await asyncio.sleep(0)

    def forget(self) -> None:
        self._state = None

    def clear_metrics(self) -> None:
        instruments.LAG.remove(*self._labels)
        instruments.RECENT_IDS.remove(*self._labels)

    # -- processing ---------------------------------------------------------------------------------------------------

    def is_full(self) -> bool:
        return self._restored_state().is_full()

    async def judge(self, records: Sequence[Record]) -> None:
        """Give each of the partition's next records its result, or refuse it."""
        state = self._restored_state()
        if records[0].offset < state.offset:
            raise FatalError(self._recreated(f"offset {records[0].offset} follows {state.offset - 1}"))
        began = perf_counter()
        entries = state.read(records)
        read = perf_counter() - began
        members = await self._look_up(entries)
        began = perf_counter()
        state.judge(entries, members)
        instruments.BATCH_SECONDS.observe(read + perf_counter() - began)

    async def advance(self) -> None:
        """Follow the log over what has no records (aborted transactions), and show how far the partition is."""
        state = self._restored_state()
        state.offset = max(state.offset, await self.consumer.position(self.partition))
        end = self.consumer.highwater(self.partition)
        if end is not None:
            instruments.LAG.labels(*self._labels).set(max(0, end - state.offset))
        instruments.RECENT_IDS.labels(*self._labels).set(len(state.recent))
        instruments.FORGOTTEN_IDS.inc(state.recent.forgotten_early - self._forgotten)
        self._forgotten = state.recent.forgotten_early

    async def _look_up(self, entries: Sequence[Entry]) -> Mapping[str, Member | None]:
        """Return the members of the requests; wait for those that the store does not know about yet."""
        wanted = {entry.member_id for entry in entries if entry.member_id}
        found: dict[str, Member | None] = {}
        if not wanted:
            return found
        newest = max(entry.record.timestamp for entry in entries)
        with instruments.MEMBER_SECONDS.time():
            while True:
                found |= await self._members.find(wanted - found.keys())
                missing = wanted - found.keys()
                if not missing:
                    self._members_missing_since = None
                    return found
                now, monotonic = self.clock.now(), self.clock.monotonic()
                if self._members_missing_since is None:
                    self._members_missing_since = monotonic
                waited = monotonic - self._members_missing_since
                if waited >= MEMBER_WAIT_MS and now - newest >= MEMBER_WAIT_MS:
                    return self._give_up(found, missing)
                self.beat()
                await asyncio.sleep(_MEMBER_PAUSE_S)

    def _give_up(self, found: dict[str, Member | None], missing: set[str]) -> Mapping[str, Member | None]:
        instruments.UNKNOWN_MEMBERS.inc(len(missing))
        if self.may_log("members"):
            _log.warning(
                "%s: the database does not answer; %d members count without their data (member_known false)",
                self.name,
                len(missing),
            )
        return found

    def _restored_state(self) -> Partition:
        assert self._state is not None, "a partition is restored before it is processed"
        return self._state

    # -- transactions -------------------------------------------------------------------------------------------------

    def has_news(self) -> bool:
        return self._restored_state().has_news()

    async def commit(self, transactions: Transactions) -> None:
        state = self._restored_state()
        changes = state.changes()
        with instruments.COMMIT_SECONDS.time():
            await self._write(transactions, changes)
        self._dead_letters.written(changes.dead_letters)
        state.commit(changes)
        counted = Counter((each.scenario_id, each.success) for each in changes.results)
        for (scenario_id, success), count in counted.items():
            instruments.RESULTS.labels(str(int(success)), str(scenario_id)).inc(count)
        for reason, count in changes.left_out.items():
            instruments.LEFT_OUT.labels(reason).inc(count)
        for reason, count in Counter(letter.reason for letter in changes.dead_letters).items():
            instruments.DEAD_LETTERS.labels(reason).inc(count)
        self._dead_letters.log_refused(changes.dead_letters, _log, self.name, self.may_log)

    async def _write(self, transactions: Transactions, changes: Changes) -> None:
        topic = self.settings.topics.scenario_results_topic
        records = [
            *(OutgoingRecord(topic, each.value, str(each.scenario_id).encode()) for each in changes.results),
            *map(self._dead_letters.outgoing, changes.dead_letters),
        ]
        metadata = encode_commit(changes.commit)
        try:
            await transactions.run(records, self.partition, changes.offset, metadata, self._group_id)
        except RecordsTooLarge as error:
            self._dead_letters.make_smaller(changes.dead_letters, len(changes.results), error.positions)
            raise


def encode_commit(commit: Commit) -> str:
    """Return the metadata of a commit."""
    return msgspec.json.encode(commit).decode()


def decode_commit(metadata: str) -> Commit | None:
    """Return the commit in the metadata, or None when it is not one (an operator's reset leaves it empty)."""
    try:
        return msgspec.json.decode(metadata, type=Commit)
    except msgspec.DecodeError:
        return None


def _is_last_commit_of(state: Partition, committed: CommittedOffset | None) -> bool:
    return (
        committed is not None
        and state.committed is not None
        and committed.offset == state.committed_offset == state.offset
        and decode_commit(committed.metadata) == state.committed
    )
