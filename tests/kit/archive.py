"""An archive as Kafka Connect makes it, written by PyIceberg, of a pipeline's records that were counted offline.

`recorded_pipeline` makes the records of the three topics: events out of order, all malformed kinds with their dead
letters, and each window's result with its receipt, by the independent count of `offline.py`. `write_raw` writes records
into `clickstream.raw`, whose schema is that of the sink with its headers as columns.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import BinaryType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from kit.events import event_value, invalid_values, valid_values
from kit.offline import count_with_receipts
from kit.topics import Message

Run = Callable[..., tuple[int, Any]]
"""Runs a command of clickstream-archive: its exit status, and what it printed, decoded if that was JSON."""

EVENTS, METRICS, DEAD_LETTERS = "clickstream-events", "clickstream-metrics", "clickstream-dead-letters"
GROUP = "clickstream-processor"
TABLE = ("clickstream", "raw")
START = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)

_HOUR = ("year", "month", "day", "hour")
_HEADERS = ("reason", "error", "source_topic", "source_partition", "source_offset", "app", "group", "receipt")
_COLUMNS = (
    ("value", BinaryType()),
    ("key", BinaryType()),
    ("topic", StringType()),
    ("partition", IntegerType()),
    ("offset", LongType()),
    ("timestamp", TimestamptzType()),
    *((name, StringType()) for name in (*_HOUR, *_HEADERS)),
)
SCHEMA = Schema(*(NestedField(number, name, kind) for number, (name, kind) in enumerate(_COLUMNS, start=1)))
_SPEC = PartitionSpec(
    *(
        PartitionField(SCHEMA.find_field(name).field_id, 1000 + place, IdentityTransform(), name)
        for place, name in enumerate(("topic", *_HOUR))
    )
)


@dataclass(frozen=True)
class Recorded:
    """The records of a pipeline, as `offline.py` reads topics."""

    messages: tuple[Message, ...]
    events: str = EVENTS
    metrics: str = METRICS
    dead_letters: str = DEAD_LETTERS
    group_id: str = GROUP

    def read(self, topic: str, isolation: str) -> list[Message]:
        found = [each for each in self.messages if each.topic == topic]
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def without(self, *gone: Message) -> "Recorded":
        return replace(self, messages=tuple(each for each in self.messages if each not in gone))

    def with_more(self, *more: Message) -> "Recorded":
        return replace(self, messages=(*self.messages, *more))

    def changed(self, message: Message, **changes: object) -> "Recorded":
        """The same with another value of one record, whose JSON object has these fields changed."""
        value = json.dumps({**json.loads(message.value or b"{}"), **changes}, ensure_ascii=False).encode()
        return self.without(message).with_more(replace(message, value=value))


@dataclass
class _Offsets:
    """The next offset of each partition. Every `markers`-th one is a transaction marker's, and left out."""

    markers: int = 0
    next: dict[int, int] = field(default_factory=dict)

    def take(self, partition: int) -> int:
        offset = self.next.get(partition, 0)
        self.next[partition] = offset + 1
        if self.markers and self.next[partition] % self.markers == self.markers - 1:
            self.next[partition] += 1
        return offset


def recorded_pipeline(
    events: int = 2_000,
    seconds: int = 300,
    window_seconds: int = 10,
    partitions: int = 3,
    start: datetime = START,
    seed: int = 1,
    receipts: bool = True,
) -> Recorded:
    """Return what the topics hold after so many seconds; no window of the last two minutes of it is settled."""
    draw = random.Random(seed)
    offsets, began = _Offsets(), int(start.timestamp() * 1000)
    unusual = [each for each in (*valid_values(start), *invalid_values(start)) if each.reason != "future"]
    unusual = [each for each in unusual if each.value is None or len(each.value) < 100_000]
    every = max(2, events // (len(unusual) + 1))
    sent: list[Message] = []
    reasons: dict[tuple[int, int], str] = {}
    for number in range(events):
        arrived = began + seconds * 1000 * number // events
        partition = draw.randrange(partitions)
        at = datetime.fromtimestamp((arrived - draw.randrange(2_000)) / 1000, UTC)
        value: bytes | None = event_value(
            at,
            user_id=f"user_{draw.randrange(50)}",
            session_id=f"sess_{draw.randrange(200)}",
            event_type=draw.choice(["page_view", "click", "add_to_cart", "purchase", "search"]),
            page_url=draw.choice(["/", "/products/laptop", "/cart", "/search", "/blog", "/deals"]),
            referrer=draw.choice(["google.com", "direct", "x.com", "email"]),
            duration_ms=draw.randrange(60_000),
        )
        reason = None
        if unusual and number % every == every - 1:
            odd = unusual.pop()
            value, reason = odd.value, odd.reason
        offset = offsets.take(partition)
        if reason is not None:
            reasons[partition, offset] = reason
        sent.append(Message(EVENTS, partition, offset, arrived, None, value, ()))
    letters = _dead_letters(sent, reasons)
    recorded = Recorded((*sent, *letters))
    return recorded.with_more(*results_of(recorded, window_seconds, receipts))


def _dead_letters(sent: Sequence[Message], reasons: dict[tuple[int, int], str]) -> list[Message]:
    offsets = _Offsets(markers=5)
    letters = []
    for each in sent:
        reason = reasons.get((each.partition, each.offset))
        if reason is None:
            continue
        headers = {
            "reason": reason,
            "error": "why it was refused",
            "source-topic": EVENTS,
            "source-partition": str(each.partition),
            "source-offset": str(each.offset),
            "app": "clickstream-streams",
            "group": GROUP,
        }
        partition = each.offset % 3
        encoded = tuple((name, text.encode()) for name, text in headers.items())
        letters.append(
            Message(DEAD_LETTERS, partition, offsets.take(partition), each.timestamp + 500, None, each.value, encoded)
        )
    return letters


def results_of(recorded: Recorded, window_seconds: int, receipts: bool = True) -> list[Message]:
    """Return the results of the recorded events, at offsets from 0 on."""
    offsets = _Offsets(markers=3)
    results = []
    for start, counted in count_with_receipts(recorded, window_seconds).items():
        began = datetime.fromisoformat(start.replace("Z", "+00:00"))
        end = datetime.fromtimestamp(began.timestamp() + window_seconds, UTC)
        value = {
            "window_start": start,
            "window_end": end.isoformat().replace("+00:00", "Z"),
            **counted.numbers,
            "revision": 0,
            "approximate": False,
        }
        headers = [("group", GROUP.encode())]
        if receipts:
            receipt = {str(partition): share for partition, share in sorted(counted.receipt.items())}
            headers.append(("receipt", json.dumps(receipt, separators=(",", ":")).encode()))
        partition = int(began.timestamp()) // window_seconds % 3
        results.append(
            Message(
                METRICS,
                partition,
                offsets.take(partition),
                int(end.timestamp() * 1000) + 6_000,
                start.encode(),
                json.dumps(value, ensure_ascii=False).encode(),
                tuple(headers),
            )
        )
    return results


def write_raw(catalog: Catalog, messages: Iterable[Message], files: int = 1) -> Table:
    """Append the records to the raw table in so many commits; each has a file for each topic and hour."""
    try:
        table = catalog.load_table(TABLE)
    except NoSuchTableError:
        catalog.create_namespace_if_not_exists(TABLE[0])
        table = catalog.create_table(TABLE, SCHEMA, partition_spec=_SPEC)
    rows = [_row(each) for each in messages]
    schema = pyarrow.schema(table.schema().as_arrow())
    share = -(-len(rows) // files) if rows else 1
    for first in range(0, len(rows), share):
        table.append(pyarrow.Table.from_pylist(rows[first : first + share], schema=schema))
    return table


def _row(message: Message) -> dict[str, object]:
    at = datetime.fromtimestamp(message.timestamp / 1000, UTC) if message.timestamp != -1 else None
    headers = {name.replace("-", "_"): value.decode() for name, value in message.headers}
    return {
        "value": message.value,
        "key": message.key,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": at,
        **{name: at and at.strftime(form) for name, form in zip(_HOUR, ("%Y", "%m", "%d", "%H"), strict=True)},
        **{name: headers.get(name) for name in _HEADERS},
    }


def assert_usable(run: Run, catalog: Catalog) -> None:
    """An archive in this catalog, which the environment names, is compacted, reported, asked and verified.

    Its events are of one hour, and in several files; in the end one of them is deleted, and verify names it.
    """
    recorded = recorded_pipeline(events=900)
    table = write_raw(catalog, sorted(recorded.messages, key=lambda each: each.timestamp), 3)
    valid = 900 - len(recorded.read(DEAD_LETTERS, ""))

    assert run("report", "--day", "2026-11-26", "--json")[1]["source"]["raw"] == ["10"]
    status, result = run("compact", "--json", "--record")
    assert (status, result["tables"]["events"]["typed_rows"]) == (0, valid)
    assert run("compact", "--json")[1]["tables"]["events"]["hours"] == 0
    assert run("sql", "SELECT count(*) AS n FROM events", "--json") == (0, {"n": valid})
    assert run("sql", "SELECT command FROM runs", "--json") == (0, {"command": "compact"})
    status, result = run("report", "--day", "2026-11-26", "--json")
    assert (status, result["events"], result["source"]["compacted"]) == (0, valid, ["10"])
    status, result = run("verify", "--offline", "--json")
    assert (status, result["complete"], result["equal"]) == (0, True, True)

    first = min(task.file.file_path for task in table.scan(row_filter=f"topic = '{EVENTS}'").plan_files())
    table.io.delete(first)
    status, result = run("verify", "--offline", "--json")
    assert status == 1
    assert [each["path"] for each in result["lost_files"]] == [first]
