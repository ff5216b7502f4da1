"""One transaction at a time: records and the offset they follow from, together or not at all.

Every partition that a stage works on has its own transactional producer, with a transactional id that names the
partition. Starting it fences whoever used the id before, at the broker: a zombie's transaction fails with
ProducerFenced, and a transaction it had left open is aborted. (aiokafka 0.14 has no KIP-447, which would fence by the
consumer group's generation instead.)

The answer to a transaction's last record tells the brokers' time, where its topic has that (`clock`).

A transaction commits only after the future of every send has been awaited without an error. After an error the producer
is of no further use: the task that owns it closes it and restores from the log.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from clickstream_kafka.clock import BrokersClock

TRANSACTION_TIMEOUT = 10.0
"""Seconds after which the broker aborts a transaction: so long a paused replica holds back read_committed readers."""

_LONGEST_TRANSACTION = TRANSACTION_TIMEOUT + 5
LARGEST_RECORD = 64 * 1024 * 1024
"""Bytes of a record before compression. Brokers' limits are on what is left of it, so a refused record may be large."""

LARGEST_BATCH = 980_000
"""Bytes of a batch before compression; a record that is larger is a batch of its own."""

MESSAGE_BYTES_NEEDED = 1_000_000
"""What a topic's `max.message.bytes` must be at least: a batch, and what LZ4 adds where it can't compress."""

_NULL = b"null"
"""Stands for a value that is null: aiokafka refuses a record with neither key nor value, Kafka does not."""

LOG_APPEND_TIME = 1
"""The timestamp type of an answer that tells the broker's time."""

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OutgoingRecord:
    """A record to write; without a `partition` its key decides."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class RecordsTooLarge(KafkaError):  # type: ignore[misc]
    """Records, by their positions in the transaction, are larger than their topic's `max.message.bytes` allows."""

    def __init__(self, positions: Sequence[int], topic: str) -> None:
        super().__init__(f"larger than {topic} takes: set its max.message.bytes to {MESSAGE_BYTES_NEEDED} or more")
        self.positions = positions


async def start_client(client: Any) -> None:
    """Start an aiokafka client; raises KafkaError.

    A broker that has just come back may for a moment name no brokers at all; aiokafka meets that with an assertion.
    """
    try:
        await client.start()
    except AssertionError as error:
        raise KafkaConnectionError(f"Kafka names no brokers yet ({error})") from error


def is_known(ended: "asyncio.Future[Any]") -> None:
    """Look at how a future or task has ended: asyncio prints a traceback of what nobody has looked at."""
    if not ended.cancelled():
        ended.exception()


class Transactions:
    """The transactional producer of one partition; to be opened with `open` and closed."""

    def __init__(self, producer: AIOKafkaProducer, clock: BrokersClock | None = None) -> None:
        self._producer = producer
        self._clock = clock

    @classmethod
    async def open(
        cls,
        kafka: Mapping[str, Any],
        transactional_id: str,
        clock: BrokersClock | None = None,
        batch_bytes: int = LARGEST_BATCH,
    ) -> Self:
        """Start the producer; whoever used the transactional id before is fenced from then on.

        `clock` learns from the brokers' answers. Several records are put into a batch up to `batch_bytes`.
        """
        producer = AIOKafkaProducer(
            **kafka,
            transactional_id=transactional_id,
            transaction_timeout_ms=int(TRANSACTION_TIMEOUT * 1000),
            acks="all",
            compression_type="lz4",
            max_batch_size=batch_bytes,
            max_request_size=LARGEST_RECORD,
            value_serializer=lambda value: None if value is _NULL else value,
        )
        transactions = cls(producer, clock)
        try:
            async with asyncio.timeout(2 * TRANSACTION_TIMEOUT):
                await start_client(producer)
        except BaseException:
            await transactions.close()
            raise
        return transactions

    async def run(
        self, records: Iterable[OutgoingRecord], partition: TopicPartition, offset: int, metadata: str, group_id: str
    ) -> list[RecordMetadata]:
        """Write the records, and commit `offset` of `partition` for the group, in one transaction.

        Returns where the records went, in their order. Raises KafkaError, or TimeoutError when Kafka has not completed
        it in time. Nothing is true then, and nothing is aborted here either: the next producer that is opened with this
        transactional id does that, and waiting for it would take as long as Kafka is away. Raises RecordsTooLarge, a
        KafkaError too, when that is why.
        """
        try:
            async with asyncio.timeout(_LONGEST_TRANSACTION):
                return await self._run(records, {partition: OffsetAndMetadata(offset, metadata)}, group_id)
        except (IllegalOperation, AssertionError) as error:
            # aiokafka's word when the producer was fenced, or its transaction aborted, between two of these steps
            raise IllegalStateError(f"the transaction was over before it was committed ({error})") from error

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
                sent[-1].add_done_callback(partial(_tell, self._clock, sent_at))
            results = await asyncio.gather(*sent, return_exceptions=True)
        except BaseException:
            for future in sent:
                future.add_done_callback(is_known)
            raise
        written = _all_written(results, topics)
        await self._producer.send_offsets_to_transaction(offsets, group_id)
        await self._producer.commit_transaction()
        return written

    async def close(self) -> None:
        """Stop the producer; with Kafka away, let go of it after 2 s."""
        for waited_for in self._futures():
            waited_for.add_done_callback(is_known)
        try:
            async with asyncio.timeout(2):
                await self._producer.stop()
        except Exception as error:
            _log.debug("let go of a producer: %r", error)
            sender = self._producer._sender.sender_task
            if sender is not None:
                sender.cancel()
            # In a task of its own: what was cancelled above may be waited for here, and must not cancel the caller.
            closing = asyncio.ensure_future(self._producer.client.close())
            closing.add_done_callback(is_known)
            await asyncio.wait((closing,), timeout=1)

    def _futures(self) -> Iterator["asyncio.Future[Any]"]:
        """What aiokafka's producer has promised to whoever may wait for it; fenced, it breaks all of these promises."""
        transaction = self._producer._txn_manager
        ended = transaction.wait_for_transaction_end()
        if ended is not None:
            yield ended
        yield from (each[-1] for each in transaction._pending_txn_offsets)
        for batches in self._producer._message_accumulator._batches.values():
            yield from (batch._drain_waiter for batch in batches)


def _tell(clock: BrokersClock, sent_at: int, answer: "asyncio.Future[RecordMetadata]") -> None:
    """Tell the clock when the record was appended; a record that was written twice has no offset, and tells nothing."""
    if answer.cancelled() or answer.exception() is not None:
        return
    written = answer.result()
    if written.offset >= 0:
        clock.learn(written.timestamp if written.timestamp_type == LOG_APPEND_TIME else None, sent=sent_at)


def _all_written(results: Sequence[RecordMetadata | BaseException], topics: Sequence[str]) -> list[RecordMetadata]:
    """Return the results when none is an error. Raises the first error, RecordsTooLarge before any other."""
    errors = [(position, result) for position, result in enumerate(results) if isinstance(result, BaseException)]
    too_large = [position for position, error in errors if isinstance(error, _TOO_LARGE)]
    if too_large:
        raise RecordsTooLarge(too_large, topics[too_large[0]])
    if errors:
        raise errors[0][1]
    return [result for result in results if not isinstance(result, BaseException)]
