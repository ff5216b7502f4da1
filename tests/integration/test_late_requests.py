"""A request without an answer may arrive later, in another transaction, and must change nothing there."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.protocol.transaction import AddOffsetsToTxnRequest, EndTxnRequest, TxnOffsetCommitRequest

from clickstream_kafka.records import OutgoingRecord
from clickstream_kafka.transactions import Transactions
from kit.topics import PipelineTopics, committed, read_all


class LateRequest:
    """Holds back the first request of a kind once `lost` says so, until a later one of another kind is to be sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type, before: type) -> None:
        self.lost = False
        self.arrived = asyncio.Event()
        self._kind, self._before = kind, before
        self._request: Any = None
        self._send: Callable[..., Any] = AIOKafkaConnection.send
        monkeypatch.setattr(AIOKafkaConnection, "send", self._sending())

    def _sending(self) -> Callable[..., Any]:
        def sending(connection: Any, request: Any, **options: Any) -> Any:
            return self._sent(connection, request, options)

        return sending

    async def _sent(self, connection: Any, request: Any, options: dict[str, Any]) -> Any:
        if self.lost and self._request is None and isinstance(request, self._kind):
            self._request = request
            raise RequestTimedOutError
        if self._request is not None and not self.lost and isinstance(request, self._before):
            other = await create_conn(connection.host, connection.port)
            await self._send(other, self._request)
            other.close()
            self.arrived.set()
        return await self._send(connection, request, **options)


@pytest.mark.parametrize(
    ("kind", "before", "dies"),
    [(EndTxnRequest, AddOffsetsToTxnRequest, True), (TxnOffsetCommitRequest, EndTxnRequest, False)],
)
async def test_a_late_request_changes_no_later_transaction(
    topics: PipelineTopics, monkeypatch: pytest.MonkeyPatch, kind: type, before: type, dies: bool
) -> None:
    source = TopicPartition(topics.events, 0)

    async def write(transactions: Transactions, offset: int) -> None:
        record = OutgoingRecord(topics.dead_letters, b"%d" % offset, partition=0)
        await transactions.run([record], source, offset, "", topics.group_id)

    async def opened() -> Transactions:
        return await Transactions.open({"bootstrap_servers": topics.bootstrap_servers}, topics.group_id)

    transactions = await opened()
    await write(transactions, 1)
    late = LateRequest(monkeypatch, kind, before)
    late.lost = True
    try:
        await write(transactions, 2)
    except KafkaError:
        await transactions.close()
        transactions = await opened()
        await write(transactions, 2)
    late.lost = False
    third = asyncio.create_task(write(transactions, 3))
    async with asyncio.timeout(20):
        await late.arrived.wait()
        if dies:
            third.cancel()
        await asyncio.wait((third,))
    await transactions.close()
    await (await opened()).close()

    known = committed(topics.bootstrap_servers, topics.group_id, topics.events)[0]
    written = [each.value for each in read_all(topics.bootstrap_servers, topics.dead_letters)]
    assert written == [b"1", b"2", b"3"][:known]
    assert known == (2 if dies else 3)
