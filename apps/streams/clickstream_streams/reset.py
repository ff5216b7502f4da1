"""`clickstream-streams reset`: count again what the topic still holds.

The group's commits are replaced, each in a transaction of the transactional id that made it: that fences a processor
that is still running and settles a transaction that it left open. The partitions begin at the chosen offsets; their
commits say which of their records were processed before, so that a record that is refused again is no second dead
letter. The merge forgets all partials, but not its results: it reads them back when it starts, and a window whose
numbers differ gets its next revision.

Windows of which the topic has lost events keep their results: in a partition whose oldest records were deleted, those
that begin before its first remaining record; with --to-datetime, all that end before that time.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata

from clickstream_core.errors import SettingsError
from clickstream_core.settings import read_settings, setting, switch
from clickstream_core.timestamps import format_seconds, parse_timestamp
from clickstream_kafka.connection import start_client
from clickstream_kafka.errors import FatalError
from clickstream_kafka.offsets import committed_offsets, partition_count
from clickstream_kafka.transactions import Transactions
from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit, encode_commit
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.windows import NEVER

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class ResetSettings:
    """The processor's settings, and from when to count again."""

    streams: StreamsSettings
    to_earliest: bool = switch("TO_EARLIEST", help="count again from the oldest event")
    to_datetime: int | None = setting(
        "TO_DATETIME",
        parse=parse_timestamp,
        help="count again from the window of this time on, such as 2024-10-26T10:30:00Z",
    )

    def validate(self) -> None:
        """Raise SettingsError unless exactly one of the two is given."""
        if self.to_earliest == (self.to_datetime is not None):
            raise SettingsError("expected --to-earliest or --to-datetime, exactly one of the two")


@dataclass(frozen=True)
class _Log:
    """A partition of the events topic: its bounds, and the timestamp of its first record where there is one."""

    first: int
    end: int
    first_timestamp: int | None


def reset(argv: Sequence[str]) -> int:
    """Run the command; return the exit status."""
    settings = read_settings(
        ResetSettings,
        prog="clickstream-streams reset",
        description="Makes a processor that is stopped count again what its topics still hold. Give it the processor's"
        " own settings.",
        argv=argv,
    )
    try:
        return asyncio.run(_reset(settings))
    except (KafkaError, OSError, TimeoutError) as error:
        raise FatalError(f"nothing or not everything was reset, run it again: {error!r}") from error


async def _reset(settings: ResetSettings) -> int:
    kafka = settings.streams.kafka.aiokafka_config()
    admin = AIOKafkaAdminClient(**kafka)
    consumer = AIOKafkaConsumer(**kafka, enable_auto_commit=False, auto_offset_reset="none")
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await start_client(admin)
            await start_client(consumer)
            await _refuse_members(admin, settings.streams)
            await _write_commits(settings, kafka, admin, consumer)
    finally:
        await consumer.stop()
        await admin.close()
    return 0


async def _refuse_members(admin: AIOKafkaAdminClient, settings: StreamsSettings) -> None:
    for response in await admin.describe_consumer_groups([settings.group_id, settings.merge_group_id]):
        for error_code, group, _, _, _, members, *_ in response.groups:
            if error_code:
                raise for_code(error_code)(group)
            if members:
                raise FatalError(
                    f"group {group} has {len(members)} members: stop all replicas of the processor first; one that was"
                    " killed is a member for 10 s more"
                )


async def _write_commits(
    settings: ResetSettings, kafka: Mapping[str, Any], admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer
) -> None:
    streams = settings.streams
    topic = streams.topics.events_topic
    partitions = [TopicPartition(topic, number) for number in range(await partition_count(admin, topic))]
    for partition in partitions:
        await (await Transactions.open(kafka, streams.transactional_id(partition.partition))).close()
    committed = await committed_offsets(admin, streams.group_id, partitions)  # none of them is pending any more
    logs = await _logs(consumer, partitions)
    begin = _beginning(settings, logs, committed)
    offsets = await _offsets(consumer, logs, begin - streams.max_clock_skew if settings.to_datetime else None)
    for partition, offset in offsets.items():
        before = committed[partition]
        known_to = min(before.offset, logs[partition].end) if before else 0
        commit = EventsCommit(
            rules=streams.rules,
            replay_from=offset,
            final_before=begin,
            dead_lettered_to=max(known_to, offset),
            kept_to=begin,
        )
        transactions = await Transactions.open(kafka, streams.transactional_id(partition.partition))
        try:
            await transactions.run([], partition, offset, encode_commit(commit), streams.group_id)
        finally:
            await transactions.close()
        print(f"{topic}[{partition.partition}]: counts again from offset {offset} of {logs[partition].end}")
    await _forget_partials(streams, kafka, consumer, begin)
    if begin != NEVER:
        print(f"Results of windows that end at {format_seconds(begin)} or before stay as they are")
    print(f"Group {streams.group_id} is reset; start the processor again", file=sys.stdout, flush=True)


async def _forget_partials(
    settings: StreamsSettings, kafka: Mapping[str, Any], consumer: AIOKafkaConsumer, begin: int
) -> None:
    partition = TopicPartition(settings.topics.partials_topic, 0)
    transactions = await Transactions.open(kafka, settings.merge_group_id)
    try:
        end = (await consumer.end_offsets([partition]))[partition]
        commit = MergeCommit(rules=settings.rules, replay_from=end, final_before=begin, forgotten_to=end)
        await transactions.run([], partition, end, encode_commit(commit), settings.merge_group_id)
    finally:
        await transactions.close()


async def _logs(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, _Log]:
    firsts = await consumer.beginning_offsets(partitions)
    ends = await consumer.end_offsets(partitions)
    timestamps = {p: await _first_timestamp(consumer, p, firsts[p]) for p in partitions if firsts[p] < ends[p]}
    return {p: _Log(firsts[p], ends[p], timestamps.get(p)) for p in partitions}


async def _first_timestamp(consumer: AIOKafkaConsumer, partition: TopicPartition, first: int) -> int:
    consumer.assign([partition])
    consumer.seek(partition, first)
    record = await consumer.getone(partition)
    return int(record.timestamp)


def _beginning(
    settings: ResetSettings,
    logs: Mapping[TopicPartition, _Log],
    committed: Mapping[TopicPartition, OffsetAndMetadata | None],
) -> int:
    """Return the time from which windows are counted again: a window's bound, or NEVER for all."""
    rules = settings.streams.rules
    bounds = [] if settings.to_datetime is None else [rules.window_of(settings.to_datetime)]
    for partition, log in logs.items():
        if log.first == 0:
            continue
        if log.first_timestamp is not None:
            bounds.append(rules.round_up(log.first_timestamp + rules.max_clock_skew))
        else:  # all of it is deleted: windows with events of it are incomplete now
            before = committed[partition]
            commit = before and decode_commit(before.metadata, EventsCommit)
            bounds += [rules.round_up(commit.seen_to)] if commit and commit.seen_to != NEVER else []
    return max(bounds, default=NEVER)


async def _offsets(
    consumer: AIOKafkaConsumer, logs: Mapping[TopicPartition, _Log], since: int | None
) -> dict[TopicPartition, int]:
    """Return where each partition begins: at its first record, or the first with a timestamp of `since` or later."""
    if since is None:
        return {partition: log.first for partition, log in logs.items()}
    found = await consumer.offsets_for_times(dict.fromkeys(logs, max(0, since)))
    return {partition: found[partition].offset if found[partition] else log.end for partition, log in logs.items()}
