"""A small app on clickstream_kafka alone: the lines of two topics go upper-cased to a third, what is no text elsewhere.

Each transaction contains results, dead letters and the offset. Settings come from the environment; with
DIE_IN_TRANSACTION it kills itself when it has written, but not committed, a result.
"""

import asyncio
import os
import signal
import sys
from functools import partial
from typing import Any

from aiokafka import TopicPartition

from clickstream_core.logs import configure_logs
from clickstream_core.service import Health, health_server
from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.connection import connect, wait_for_topics
from clickstream_kafka.engine import create_engine, watch
from clickstream_kafka.instruments import KafkaInstruments
from clickstream_kafka.offsets import committed_offset, log_bounds
from clickstream_kafka.partition_stream import PartitionStream
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_kafka.records import Batches, OutgoingRecord
from clickstream_kafka.running import serve, unless
from clickstream_kafka.tasks import PartitionTask, Replica, TaskSettings
from clickstream_kafka.transactions import Transactions

GROUP_ID = os.environ.get("GROUP_ID", "upper-casing")
SOURCES = os.environ.get("SOURCES", "").split(",")
RESULTS = os.environ.get("RESULTS", "results")
DEAD_LETTERS = os.environ.get("DEAD_LETTERS", "dead-letters")
NEVER_COMMITTED = b"never committed"


class UpperCasingTask(PartitionTask):
    """What a partition's next transaction writes; there is no other memory."""

    def __init__(self, partition: TopicPartition, consumer: BatchConsumer, replica: Replica) -> None:
        super().__init__(partition, consumer, replica)
        self.group_id = f"{GROUP_ID}-{partition.topic}"
        self.output: list[OutgoingRecord] = []
        self.offset = 0

    async def start_producer(self) -> Transactions:
        return await Transactions.open(self.kafka, f"{self.group_id}-{self.partition.partition}", self.clock)

    async def restore(self, transactions: Transactions) -> None:
        self.forget()
        committed = await committed_offset(self.admin, self.group_id, self.partition)
        log = await log_bounds(self.consumer, self.partition, committed)
        self.offset = committed.offset if committed else log.first
        self.consumer.seek(self.partition, self.offset)

    def has_news(self) -> bool:
        return bool(self.output)

    async def commit(self, transactions: Transactions) -> None:
        if "DIE_IN_TRANSACTION" in os.environ:
            await transactions._producer.begin_transaction()
            await transactions._producer.send_and_wait(RESULTS, NEVER_COMMITTED)
            os.kill(os.getpid(), signal.SIGKILL)
        await transactions.run(self.output, self.partition, self.offset, "", self.group_id)
        self.output.clear()

    def forget(self) -> None:
        self.output.clear()

    def clear_metrics(self) -> None:
        """There are none."""


async def upper_case(task: UpperCasingTask, batches: Batches) -> None:
    for records in batches:
        for record in records:
            value = record.value or b""
            try:
                task.output.append(OutgoingRecord(RESULTS, value.decode().upper().encode(), record.key))
            except UnicodeDecodeError:
                task.output.append(OutgoingRecord(DEAD_LETTERS, value, record.key))
    task.offset = await task.consumer.position(task.partition)


async def process(health: Health, stopping: asyncio.Event) -> int:
    kafka: dict[str, Any] = {"bootstrap_servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"].split(",")}
    instruments = KafkaInstruments("upper_casing")
    apply_to_aiokafka(instruments.count_unreadable, give_up_silent_brokers=True)
    clock = BrokersClock(max_clock_skew=60_000)
    engine = create_engine("upper-casing", kafka)

    @engine.on_startup
    async def prepare() -> None:
        admin = await connect(kafka, health)
        engine.after_stop(admin.close)
        await wait_for_topics(admin, (*SOURCES, RESULTS, DEAD_LETTERS), health)
        replica = Replica(kafka, admin, clock, instruments, TaskSettings(commit_interval=100))
        for source in SOURCES:
            group_id = f"{GROUP_ID}-{source}"
            engine.add_stream(PartitionStream(source, group_id, upper_case, UpperCasingTask, replica, stage=source))

    try:
        await unless(stopping, engine.start())
        await watch(engine, health, clock, stopping)
    finally:
        await engine.stop()
    return 0


def main() -> int:
    configure_logs("INFO", "text", "upper-casing")
    health = Health()
    with health_server(int(os.environ["HTTP_PORT"]), health):
        return asyncio.run(serve(partial(process, health)))


if __name__ == "__main__":
    sys.exit(main())
