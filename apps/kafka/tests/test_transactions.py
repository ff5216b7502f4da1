"""What a transaction makes of a producer that was fenced in the middle of it."""

import asyncio
import gc
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)
from aiokafka.structs import RecordMetadata

from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.records import OutgoingRecord
from clickstream_kafka.transactions import LOG_APPEND_TIME, RecordsTooLarge, Transactions

STEPS = ("begin_transaction", "send", "acknowledge", "send_offsets_to_transaction", "commit_transaction")


class FencedProducer:
    """An aiokafka producer whose `step` fails with `error`; the steps before it succeed."""

    def __init__(self, step: str, error: Exception) -> None:
        self.done: list[str] = []
        self._step = step
        self._error = error

    def __getattr__(self, step: str) -> Any:
        async def take(*arguments: object, **options: object) -> Any:
            self._take(step)
            return self._acknowledgement() if step == "send" else None

        return take

    def _take(self, step: str) -> None:
        if step == self._step:
            raise self._error
        self.done.append(step)

    def _acknowledgement(self) -> "asyncio.Future[str]":
        acknowledgement: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            self._take("acknowledge")
        except Exception as error:
            acknowledgement.set_exception(error)
        else:
            acknowledgement.set_result("metadata")
        return acknowledgement


async def run(producer: Any, records: Iterable[OutgoingRecord]) -> list[Any]:
    written: Any = await Transactions(producer).run(records, TopicPartition("events", 0), 7, "", "group")
    return list(written)


async def test_a_transaction_commits_after_every_acknowledgement() -> None:
    producer = FencedProducer("none of them", KafkaError())
    assert await run(producer, [OutgoingRecord("partials", b"1")]) == ["metadata"]
    assert tuple(producer.done) == STEPS


@pytest.mark.parametrize("error", [IllegalOperation("not in transaction"), AssertionError("state"), ProducerFenced()])
@pytest.mark.parametrize("step", STEPS)
async def test_whatever_aiokafka_says_of_a_transaction_that_is_over_can_be_retried(step: str, error: Exception) -> None:
    producer = FencedProducer(step, error)
    with pytest.raises(KafkaError):
        await run(producer, [OutgoingRecord("partials", b"1")])
    assert "commit_transaction" not in producer.done


@pytest.mark.parametrize("refusal", [MessageSizeTooLargeError, RecordListTooLargeError])
async def test_records_that_are_too_large_for_their_topic_are_named(refusal: type[KafkaError]) -> None:
    class Producer(FencedProducer):
        def _take(self, step: str) -> None:
            super()._take(step)
            if step == "acknowledge" and self.done.count(step) in (2, 4):
                raise refusal()

    producer = Producer("none of them", KafkaError())
    with pytest.raises(RecordsTooLarge) as raised:
        await run(producer, [OutgoingRecord("dead-letters", b"1")] * 5)
    assert list(raised.value.positions) == [1, 3]
    assert str(raised.value).endswith(
        ": larger than dead-letters accepts: set its max.message.bytes to 1000000 or more"
    )
    assert "commit_transaction" not in producer.done


@pytest.fixture
async def complaints() -> list[object]:
    """What asyncio would print of this test's futures and tasks."""
    printed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: printed.append(context))
    return printed


@pytest.mark.parametrize("closed_first", [False, True])
async def test_a_producer_that_was_fenced_is_closed_without_a_traceback(
    closed_first: bool, complaints: list[object]
) -> None:
    producer = AIOKafkaProducer(transactional_id="events-0")
    transaction = producer._txn_manager
    transaction.set_pid_and_epoch(1, 0)
    transaction.begin_transaction()
    if closed_first:
        transaction.add_offsets_to_txn({}, "group")
        await Transactions(producer).close()
    transaction.fatal_error(ProducerFenced())
    if not closed_first:
        await Transactions(producer).close()
    await asyncio.sleep(0)
    del producer, transaction
    gc.collect()
    assert complaints == []


async def test_a_transaction_that_fails_leaves_no_acknowledgement_for_asyncio_to_print(
    complaints: list[object],
) -> None:
    producer: Any = FencedProducer("acknowledge", ProducerFenced())
    with suppress(ProducerFenced):
        await run(producer, [OutgoingRecord("partials", b"1")] * 3)
    del producer  # and with it the error, whose traceback keeps the acknowledgements
    gc.collect()
    assert complaints == []


async def test_a_producer_whose_connections_do_not_end_is_abandoned_and_cancels_no_task() -> None:
    class Client:
        """A client whose connections have not ended when it is first closed, and are cancelled with that."""

        def __init__(self) -> None:
            self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def close(self) -> None:
            await asyncio.gather(self.ended)

    producer = AIOKafkaProducer(transactional_id="events-0")
    producer.client = Client()
    async with asyncio.timeout(10):
        await Transactions(producer).close()


@pytest.mark.parametrize(
    ("offset", "timestamp_type", "learned"),
    [(7, LOG_APPEND_TIME, [5_000]), (7, 0, [None]), (-1, LOG_APPEND_TIME, [])],
)
async def test_the_clock_learns_from_the_answer_to_the_last_record(
    offset: int, timestamp_type: int, learned: list[int | None]
) -> None:
    answers: list[int | None] = []

    class Learning(BrokersClock):
        def learn(self, appended: int | None, *, sent: int) -> None:
            answers.append(appended)

    class Producer(FencedProducer):
        def _acknowledgement(self) -> Any:
            acknowledgement: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
            place = TopicPartition("partials", 0)
            acknowledgement.set_result(RecordMetadata("partials", 0, place, offset, 5_000, timestamp_type, None))
            return acknowledgement

    producer: Any = Producer("none of them", KafkaError())
    transactions = Transactions(producer, Learning(max_clock_skew=0))
    await transactions.run([OutgoingRecord("partials", b"1")] * 3, TopicPartition("events", 0), 7, "", "group")
    await asyncio.sleep(0)  # a callback runs in the loop's next turn, for which newer Pythons' gather does not wait
    assert answers == learned


async def test_the_clock_learns_nothing_from_a_record_that_was_refused() -> None:
    clock = BrokersClock(max_clock_skew=0)
    producer: Any = FencedProducer("acknowledge", ProducerFenced())
    with pytest.raises(ProducerFenced):
        await Transactions(producer, clock).run(
            [OutgoingRecord("p", b"1")], TopicPartition("events", 0), 7, "", "group"
        )
    assert not clock.is_settled
