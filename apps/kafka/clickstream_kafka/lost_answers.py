"""Requests of a transaction that must not be sent twice, though aiokafka 0.14 repeats each until it is answered.

One without an answer may still be under way, and arrive when the same producer has gone on to its next transaction: a
late EndTxn commits that one half-way, a late TxnOffsetCommit takes its offset back. Only a new producer epoch keeps
them out (KIP-890 raises it with each transaction, which aiokafka can't). So a producer whose EndTxn or TxnOffsetCommit
got no answer is given up; the next one that starts settles what it left. Records may be sent twice: their sequence
numbers identify them. Partitions and groups may be added twice: a transaction that this begins is aborted.

Upstream: none found. Delete when aiokafka has the transactions of KIP-890.
"""

from functools import wraps
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, NodeNotReadyError
from aiokafka.protocol.transaction import EndTxnRequest, TxnOffsetCommitRequest


def give_up_unanswered(producer: AIOKafkaProducer) -> None:
    """Have the producer's transaction fail when its end, or its offset, was sent and not answered."""
    send = producer.client.send

    @wraps(send)
    async def sending(node_id: int, request: Any, **options: Any) -> Any:
        try:
            return await send(node_id, request, **options)
        except NodeNotReadyError:  # it was not sent
            raise
        except KafkaError as error:
            if isinstance(request, (EndTxnRequest, TxnOffsetCommitRequest)):
                producer._txn_manager.fatal_error(error)
            raise

    producer.client.send = sending
