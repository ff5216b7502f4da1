"""What the shape of events costs, in nanoseconds of CPU per event, for Python's counting and for the native one.

The events of the data set in other shapes, in record batches in memory, from the batch's bytes to counts: CRC, walk,
decode, windows, counts. No socket, no Kafka. The two alternate; the table shows medians.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from statistics import median
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from clickstream_kafka import batches
from clickstream_kafka.memory import collect_garbage_rarely
from clickstream_kafka.patches import apply_to_aiokafka
from clickstream_kafka.patches.aiokafka_unreadable import ReadableRecords
from clickstream_streams import instruments
from clickstream_streams.commits import EventsCommit
from clickstream_streams.implementations import Implementation, choose
from clickstream_streams.partition import Partition
from clickstream_streams.watermarks import PartitionWatermark
from clickstream_streams.windows import CountingRules
from dataset import WINDOW_SIZE, prepare
from table import command, machine

_RULES = CountingRules(WINDOW_SIZE, "event", 60_000)
_CLOCK = 10**15
_ARRIVED = 1_800_000_000_000
_BATCH_RECORDS = 250
_BATCH_BYTES = 1 << 20
_LZ4 = 3
_PAGE = "/상품/노트북"

Event = dict[str, Any]
Shape = Callable[[Event, random.Random], bytes]


def _compact(event: Event, *, ascii: bool = False) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=ascii).encode()


def _shuffled(event: Event, draw: random.Random) -> bytes:
    return _compact(dict(draw.sample(list(event.items()), len(event))))


def _more_fields(event: Event, draw: random.Random) -> bytes:
    more = {f"utm_{number}": f"value {number}" for number in range(11)}
    return _compact({**event, **more, "context": {"screen": [1280, 800], "dark": True}})


def _garbage(event: Event, draw: random.Random) -> bytes:
    return b"no json" if draw.random() < 0.01 else _compact(event)


def _other_time(event: Event, draw: random.Random) -> bytes:
    return _compact({**event, "timestamp": event["timestamp"][:19] + "+00:00"})


SHAPES: dict[str, Shape] = {
    "as the producer writes them": lambda event, draw: _compact(event),
    "`json.dumps` with spaces": lambda event, draw: json.dumps(event).encode(),
    "Korean pages, UTF-8": lambda event, draw: _compact({**event, "page_url": _PAGE}),
    "Korean pages, `\\u` escapes": lambda event, draw: _compact({**event, "page_url": _PAGE}, ascii=True),
    "Korean in an unread field, `\\u` escapes": lambda event, draw: _compact({**event, "country": _PAGE}, ascii=True),
    "fields in random order": _shuffled,
    "12 more fields, one nested": _more_fields,
    "timestamps with `+00:00`, no milliseconds": _other_time,
    "1 % garbage": _garbage,
    "a field repeated": lambda event, draw: _compact(event)[:-1] + b',"device_type":"mobile"}',
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Nanoseconds of CPU per event by the events' shape.")
    parser.add_argument("--events", type=int, default=60_000, help="how many events (default 60000)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default 3)")
    chosen = parser.parse_args()
    apply_to_aiokafka(instruments.KAFKA.count_unreadable)
    collect_garbage_rarely()
    python, native = choose("python"), choose("native")
    with prepare(max(chosen.events, 200_000)).lines.open("rb") as lines:
        events = [json.loads(line.partition(b"\t")[2]) for line in islice(lines, chosen.events)]
    print(f"{command()}\n{machine()}\n\n| events | compression | Python | native | times |\n|---|---|---|---|---|")
    for name, shape in SHAPES.items():
        draw = random.Random(1)
        values = [shape(event, draw) for event in events]
        for compression, codec in (("none", 0), ("lz4", _LZ4)):
            if codec and name != next(iter(SHAPES)):
                continue
            fetched = _batches(values, codec)
            runs = [(_count(python, fetched), _count(native, fetched)) for _ in range(chosen.repeat)]
            slow, quick = (1e9 * median(each) / len(events) for each in zip(*runs, strict=True))
            print(f"| {name} | {compression} | {slow:,.0f} | {quick:,.0f} | {slow / quick:.1f} |", flush=True)
    return 0


def _batches(values: Sequence[bytes], codec: int) -> bytes:
    found = bytearray()
    for first in range(0, len(values), _BATCH_RECORDS):
        builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, _BATCH_BYTES)
        for number, value in enumerate(values[first : first + _BATCH_RECORDS]):
            builder.append(number, _ARRIVED, None, value, [])
        batch = builder.build()
        batch[:8] = first.to_bytes(8, "big")
        found += batch
    return bytes(found)


def _count(implementation: Implementation, fetched: bytes) -> float:
    records = ReadableRecords(
        TopicPartition("events", 0), fetcher.MemoryRecords(fetched), [], 0, None, None, True, READ_COMMITTED
    )
    state = Partition(
        EventsCommit(rules=_RULES, replay_from=0, joined=True),
        0,
        PartitionWatermark(out_of_orderness=5_000, idle_timeout=10_000, monotonic=0),
        implementation.make_counting(_RULES, 100_000),
        allowed_lateness=10**9,
    )
    batches._yield_lists(records, implementation.unpack)
    began = time.process_time()
    for each in records:
        state.process(each, clock=_CLOCK, monotonic=0)
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
