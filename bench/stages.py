"""Where the processor's CPU time goes, in nanoseconds per event: fetch, decode, columns, counts.

The same records pass through the stages one by one, each measured separately. Fetching reads the whole topic with the
processor's own consumer and nothing else, the batches' CRCs included; the other stages work on records in memory, in
lists as the consumer returns them. Native counting decodes and counts in one stage. What peers.py
measures beyond the sum is transactions, asyncio's turns, and the start.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from functools import partial

import uvloop
from aiokafka import TopicPartition

from clickstream_core.events import decode_events
from clickstream_kafka.batches import BatchConsumer, Unpack
from clickstream_kafka.memory import keep_freed_memory
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_kafka.records import Record
from clickstream_streams import instruments
from clickstream_streams.columns import columns_of
from clickstream_streams.commits import EventsCommit
from clickstream_streams.implementations import Implementation, choose
from clickstream_streams.partition import Partition
from clickstream_streams.watermarks import PartitionWatermark
from clickstream_streams.windows import CountingRules
from cluster import running_cluster
from dataset import PARTITIONS, WINDOW_SIZE, Dataset, prepare
from table import command, machine
from workspace import peers_are_missing

_RULES = CountingRules(WINDOW_SIZE, "event", 60_000)
_CLOCK = 10**15
"""Milliseconds after any event's time."""

Batches = list[tuple[int, Sequence[Record]]]
"""Lists of records, each with its partition."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Nanoseconds of CPU per event by stage.")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events (default 1000000)")
    parser.add_argument("--compression", choices=("none", "lz4"), default="none")
    parser.add_argument("--counting", choices=("python", "native"), default="python")
    chosen = parser.parse_args()
    if missing := peers_are_missing():
        parser.error(missing)
    dataset = prepare(chosen.events)
    apply_to_aiokafka(instruments.KAFKA.count_unreadable)
    keep_freed_memory()
    gc.set_threshold(100_000, 50, 100)
    implementation = choose(chosen.counting)
    fetch = partial(_fetch, dataset=dataset, unpack=implementation.unpack)
    with running_cluster() as cluster:
        topic = cluster.load(dataset, chosen.compression)
        # The broker reads its files for the first time here.
        uvloop.run(fetch(cluster.bootstrap_servers, topic, keep=False))
        fetching, _ = uvloop.run(fetch(cluster.bootstrap_servers, topic, keep=False))
        _, batches = uvloop.run(fetch(cluster.bootstrap_servers, topic, keep=True))
    gc.freeze()
    counting, written = _count(batches, implementation)
    rows = [("fetch: socket, protocol, CRC, records unpacked", fetching)]
    if implementation.name == "python":
        decoding, columns = _decode(batches), _columns(batches)
        rows += [("decode (msgspec)", decoding), ("columns: times and windows", columns - decoding)]
        rows += [("counts, watermark", counting - columns)]
    else:
        rows += [("decode, times, windows, counts (native)", counting)]
    rows += [("what is counted, as partials", written), ("sum", fetching + counting + written)]
    print(f"{command()}\n{machine()}\n\n| stage | ns / event |\n|---|---|")
    for name, seconds in rows:
        print(f"| {name} | {1e9 * seconds / dataset.records:,.0f} |")
    return 0


async def _fetch(
    bootstrap_servers: str, topic: str, dataset: Dataset, *, unpack: Unpack | None, keep: bool
) -> tuple[float, Batches]:
    """CPU seconds for reading the topic, and its records if they are to be kept."""
    consumer = BatchConsumer(
        instruments=instruments.KAFKA,
        unpack=unpack,
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.start()
    kept: Batches = []
    read = 0
    began = time.process_time()

    async def take(partition: TopicPartition) -> None:
        nonlocal read
        while read < dataset.records:
            for records in await consumer.fetched(partition, timeout_ms=200):
                read += len(records)
                if keep:
                    kept.append((partition.partition, records))

    await asyncio.gather(*map(take, partitions))
    spent = time.process_time() - began
    await consumer.stop()
    return spent, kept


def _decode(batches: Batches) -> float:
    began = time.process_time()
    for _, records in batches:
        decode_events([record.value for record in records])
    return time.process_time() - began


def _columns(batches: Batches) -> float:
    began = time.process_time()
    for _, records in batches:
        columns_of(records, _RULES, _CLOCK)
    return time.process_time() - began


def _count(batches: Batches, implementation: Implementation) -> tuple[float, float]:
    """CPU seconds for counting, and for what a transaction then writes."""
    state = {
        number: Partition(
            EventsCommit(rules=_RULES, replay_from=0, joined=True),
            0,
            PartitionWatermark(out_of_orderness=5_000, idle_timeout=10_000, monotonic=0),
            implementation.make_counting(_RULES, 100_000),
            allowed_lateness=60_000,
        )
        for number in range(PARTITIONS)
    }
    began = time.process_time()
    for number, records in batches:
        state[number].process(records, clock=_CLOCK, monotonic=0)
    counted = time.process_time()
    for partition in state.values():
        partition.changes()
    return counted - began, time.process_time() - counted


if __name__ == "__main__":
    sys.exit(main())
