"""One transaction at a time: records, and the offset of the input they were made from, together or not at all.

Each partition that a stage works on has its own transactional producer, whose transactional id names the partition.
Starting it fences the former user of the id at the broker: a zombie's transaction fails with ProducerFenced, and one
that it left open is aborted. (aiokafka 0.14 lacks KIP-447, which fences by the consumer group's generation instead.)

A transaction commits only after the future of every send has been awaited without an error. After an error the producer
can't be used any more: the task that owns it closes it and restores from the log.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition, errors
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.connection import start_client
from clickstream_kafka.lost_answers import give_up_unanswered
from clickstream_kafka.records import OutgoingRecord
from clickstream_kafka.running import retrieve_exception

TRANSACTION_TIMEOUT_S = 10.0
"""The broker aborts a transaction after it; until then a paused replica holds back read_committed readers."""

_RUN_TIMEOUT_S = TRANSACTION_TIMEOUT_S + 5
_OPEN_TIMEOUT_S = 2 * TRANSACTION_TIMEOUT_S
_CLOSE_TIMEOUT_S = 2.0
MAX_RECORD_BYTES = 64 * 1024 * 1024
"""Before compression. Brokers limit the compressed size, so a refused record may be large."""

MAX_BATCH_BYTES = 980_000  # of a batch before compression; a larger record is a batch of its own

MIN_MESSAGE_BYTES = 1_000_000
"""What a topic's `max.message.bytes` must be at least: a batch, and what LZ4 adds if it can't compress."""

_NULL = b"null"  # stands for a null value: aiokafka refuses a record with neither key nor value, Kafka does not
LOG_APPEND_TIME = 1  # the timestamp type of an answer that contains the broker's time
_TOO_LARGE = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)

_log = logging.getLogger(__name__)


class RecordsTooLarge(errors.KafkaError):  # type: ignore[misc]
    """Records exceed their topic's `max.message.bytes`; `positions` are theirs in the transaction."""

    def __init__(self, positions: Sequence[int], topic: str) -> None:
        super().__init__(f"larger than {topic} accepts: set its max.message.bytes to {MIN_MESSAGE_BYTES} or more")
        self.positions = positions


class Transactions:
    """The transactional producer of one partition; made by `open`, to be closed."""

    def __init__(self, producer: AIOKafkaProducer, clock: BrokersClock | None = None) -> None:
        self._producer = producer
        self._clock = clock

    @classmethod
    async def open(
        cls,
        kafka: Mapping[str, Any],
        transactional_id: str,
        clock: BrokersClock | None = None,
        batch_bytes: int = MAX_BATCH_BYTES,
    ) -> Self:
        """Start the producer, which fences the former user of the transactional id.

        `clock` learns from the brokers' answers. A batch of several records has `batch_bytes` at most.
        """
        producer = AIOKafkaProducer(
            **kafka,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT_S * 1000),
            acks="all",
            compression_type="lz4",
            max_batch_size=batch_bytes,
            max_request_size=MAX_RECORD_BYTES,
            value_serializer=lambda value: None if value is _NULL else value,
        )
        give_up_unanswered(producer)
        transactions = cls(producer, clock)
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                await start_client(producer)
        except BaseException:
            await transactions.close()
            raise
        return transactions

    async def run(
        self, records: Iterable[OutgoingRecord], partition: TopicPartition, offset: int, metadata: str, group_id: str
    ) -> list[RecordMetadata]:
        """Write the records, and commit `offset` of `partition` for the group, in one transaction.

        Returns where the records were written, in their order. Raises KafkaError, RecordsTooLarge among them, or
        TimeoutError. After an error the transaction is not aborted here: that would take as long as Kafka is away, and
        the next producer that is opened with this transactional id does it.
        """
        try:
            async with asyncio.timeout(_RUN_TIMEOUT_S):
                return await self._run(records, {partition: OffsetAndMetadata(offset, metadata)}, group_id)
        except (errors.IllegalOperation, AssertionError) as error:
            # what aiokafka raises when the producer was fenced, or its transaction aborted, between two steps
            raise errors.IllegalStateError(f"the transaction was over before it was committed ({error})") from error

    async def _run(
        self, records: Iterable[OutgoingRecord], offsets: dict[TopicPartition, OffsetAndMetadata], group_id: str
    ) -> list[RecordMetadata]:
        await self._producer.begin_transaction()
        sent: list[asyncio.Future[RecordMetadata]] = []
        topics: list[str] = []
        sent_at = 0
        try:
            for record in records:
                sent_at = self._clock.monotonic() if self._clock else 0
                future = await self._producer.send(
                    record.topic,
                    value=_NULL if record.value is None else record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
                sent.append(future)
                topics.append(record.topic)
            if sent and self._clock:
                sent[-1].add_done_callback(partial(_teach, self._clock, sent_at))
            results = await asyncio.gather(*sent, return_exceptions=True)
        except BaseException:
            for future in sent:
                future.add_done_callback(retrieve_exception)
            raise
        written = _all_written(results, topics)
        await self._producer.send_offsets_to_transaction(offsets, group_id)
        await self._producer.commit_transaction()
        return written

    async def close(self) -> None:
        """Stop the producer; abandon it after 2 s when Kafka is away."""
        for future in self._futures():
            future.add_done_callback(retrieve_exception)
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._producer.stop()
        except Exception as error:
            _log.debug("abandoned a producer: %r", error)
            sender = self._producer._sender.sender_task
            if sender is not None:
                sender.cancel()
            # In a task of its own: the client may wait for what was cancelled above, which must not cancel the caller.
            closing = asyncio.ensure_future(self._producer.client.close())
            closing.add_done_callback(retrieve_exception)
            await asyncio.wait((closing,), timeout=1)

    def _futures(self) -> Iterator["asyncio.Future[Any]"]:
        """The futures that a fenced producer fails; asyncio prints a traceback of each that nothing has read."""
        transaction = self._producer._txn_manager
        ended = transaction.wait_for_transaction_end()
        if ended is not None:
            yield ended
        yield from (each[-1] for each in transaction._pending_txn_offsets)
        for batches in self._producer._message_accumulator._batches.values():
            yield from (batch._drain_waiter for batch in batches)


def _teach(clock: BrokersClock, sent_at: int, answer: "asyncio.Future[RecordMetadata]") -> None:
    """Pass the time of a record's append to the clock; the answer to a record that was sent twice has none."""
    if answer.cancelled() or answer.exception() is not None:
        return
    written = answer.result()
    if written.offset >= 0:
        clock.learn(written.timestamp if written.timestamp_type == LOG_APPEND_TIME else None, sent=sent_at)


def _all_written(results: Sequence[RecordMetadata | BaseException], topics: Sequence[str]) -> list[RecordMetadata]:
    """Return the results. Raises the first error among them, RecordsTooLarge before any other."""
    errors = [(position, result) for position, result in enumerate(results) if isinstance(result, BaseException)]
    too_large = [position for position, error in errors if isinstance(error, _TOO_LARGE)]
    if too_large:
        raise RecordsTooLarge(too_large, topics[too_large[0]])
    if errors:
        raise errors[0][1]
    return [result for result in results if not isinstance(result, BaseException)]
