"""docs/records.md and docs/schemas/ are what the apps really write, accept and refuse."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import TopicPartition
from jsonschema import Draft202012Validator

from clickstream_core.errors import InvalidEvent, MalformedMetrics, MalformedReceipt
from clickstream_core.events import decode_event, encode_event
from clickstream_core.receipts import RECEIPT_HEADER, PartitionReceipt, decode_receipt
from clickstream_core.settings import read_settings
from clickstream_core.timestamps import format_milliseconds, parse_timestamp
from clickstream_core.window_metrics import decode_window_metrics, encode_window_metrics
from clickstream_kafka.batches import BatchConsumer
from clickstream_kafka.clock import BrokersClock
from clickstream_kafka.records import OutgoingRecord, OversizedRecord, Record
from clickstream_kafka.tasks import Replica, TaskSettings
from clickstream_local.topics import clickstream_topics, scenario_topics
from clickstream_producer.users import Crowd
from clickstream_producer.weblogs import WebServer, encode_web_log
from clickstream_scenarios.partition import REASONS as scenario_reasons
from clickstream_streams import instruments
from clickstream_streams.commits import EventsCommit, MergeCommit, decode_commit, encode_commit
from clickstream_streams.counts import merged_metrics
from clickstream_streams.events_stage import EventsTask
from clickstream_streams.merge_stage import MergeTask
from clickstream_streams.merging import Result
from clickstream_streams.partials import InvalidRecord, decode_record
from clickstream_streams.partition import Changes, Partition
from clickstream_streams.python_counting import PythonCounting
from clickstream_streams.settings import StreamsSettings
from clickstream_streams.watermarks import PartitionWatermark
from kit.events import NEEDED, event_value, invalid_values, valid_values
from kit.in_process import DEAD_LETTERS, in_process

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "records.md").read_text(encoding="utf-8")
SCHEMAS = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in (DOCS / "schemas").glob("*.json")}
EXAMPLES = [
    (name, json.loads(text))
    for names, text in re.findall(r"<!-- example of (.+?) -->\n```json\n(.+?)```", PAGE, re.DOTALL)
    for name in re.split(r" and ", names)
]
AT = datetime(2024, 10, 26, 10, 30, 45, 123_000, UTC)
NOW = int(AT.timestamp() * 1000)
HOUR = 3_600_000
SETTINGS = read_settings(StreamsSettings, prog="", description="", argv=[], environ={})

INEXPRESSIBLE = {
    "timestamp: 30 February",
    "timestamp: 29 February of a common year",
    "timestamp: second 60",
    "a name of 4,097 characters and 8,194 bytes",
    "an unknown field, 501 levels deep",
}
"""What the processor refuses and no schema can: calendars, bytes, depth."""


def fits(name: str, value: object) -> bool:
    return bool(Draft202012Validator(SCHEMAS[name]).is_valid(value))


def check(name: str, value: object) -> None:
    Draft202012Validator(SCHEMAS[name]).validate(value)


def table(heading: str) -> list[list[str]]:
    """The rows of the first table below the heading, cell by cell."""
    _, _, below = PAGE.partition(f"\n{heading}\n")
    lines = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert lines is not None, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()[2:]]


def names(heading: str) -> list[str]:
    """What the first column of that table names."""
    return [row[0].strip("`") for row in table(heading)]


# -- what the processor writes ----------------------------------------------------------------------------------------


@dataclass
class Stored:
    """A record of the events topic."""

    offset: int
    value: bytes | None
    timestamp: int = NOW
    key: bytes | None = b"user_42"
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Written:
    """A transaction that only takes note of what is written."""

    def __init__(self) -> None:
        self.records: list[OutgoingRecord] = []
        self.metadata = ""

    async def run(
        self, records: list[OutgoingRecord], partition: TopicPartition, offset: int, metadata: str, group_id: str
    ) -> list[SimpleNamespace]:
        self.records, self.metadata = list(records), metadata
        return [SimpleNamespace(offset=0, partition=0) for _ in self.records]

    def of(self, topic: str) -> list[OutgoingRecord]:
        return [record for record in self.records if record.topic == topic]

    def values(self) -> list[dict[str, Any]]:
        """The internal records, as MessagePack has them."""
        return [msgspec.msgpack.decode(record.value or b"") for record in self.of("clickstream-window-partials")]


def replica() -> Replica:
    return Replica({}, None, BrokersClock(max_clock_skew=0), instruments.KAFKA, TaskSettings(commit_interval=1000))


def counted() -> Changes:
    """What a partition has to write that has met every kind of record."""
    rules = SETTINGS.rules
    commit = EventsCommit(rules=rules, replay_from=0, joined=True, expired_to=rules.window_of(NOW - 5 * HOUR))
    watermark = PartitionWatermark(
        out_of_orderness=SETTINGS.out_of_orderness, idle_timeout=SETTINGS.idle_timeout, monotonic=0
    )
    counting = PythonCounting(rules, SETTINGS.exact_limit)
    state = Partition(commit, 0, watermark, counting, allowed_lateness=SETTINGS.allowed_lateness)
    raw = [each.value for each in (*valid_values(AT), *invalid_values(AT))]
    raw += [event_value(AT, timestamp=format_milliseconds(NOW - hours * HOUR)) for hours in (6, 4)]
    records: list[Record] = [Stored(offset, value) for offset, value in enumerate(raw)]
    records.append(OversizedRecord(len(raw), NOW))
    state.process(records, clock=NOW, monotonic=0)
    state.process([Stored(len(raw) + 1, event_value(AT), NOW)], clock=NOW, monotonic=0)
    for hours in (1, 2):  # and its windows are closed
        later = NOW + hours * HOUR
        value = event_value(AT, timestamp=format_milliseconds(later))
        state.process([Stored(len(raw) + 1 + hours, value, later)], clock=later, monotonic=0)
    return state.changes()


@pytest.fixture(scope="module")
def written() -> Written:
    """A transaction of stage 1, with dead letters of every reason."""
    partition, consumer = TopicPartition("clickstream-events", 3), cast(BatchConsumer, None)
    task = EventsTask(partition, consumer, replica=replica(), settings=SETTINGS, make_counting=PythonCounting)
    transaction = Written()
    asyncio.run(task._write(transaction, counted()))  # type: ignore[arg-type]
    return transaction


@pytest.fixture(scope="module")
def collected() -> Iterator[Any]:
    """The producer of a collector that was sent events of both shapes, and what is not JSON."""
    with in_process() as site:
        site.post({"path": "/test", "tag": "A", "id": "buy", "timestamp": "2024-10-26T10:30:00Z"})
        site.post([json.loads(each.value or b"") for each in valid_values(AT)[:1]])
        site.post(b"path=/test")
        site.post(b'[{"path": "/"}, {"path": x}]')
        yield site.producer


# -- records fit their schemas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert f"schemas/{name}.json" in PAGE


def test_events_of_simulated_users_fit() -> None:
    crowd = Crowd(seed=7, users=50, rate=10.0)
    for number in range(500):
        event = json.loads(encode_event(crowd.next_event(NOW + number * 100)))
        check("event", event)
        check("event-written", event)
        assert list(event) == SCHEMAS["event-written"]["required"]


def test_events_of_the_collector_fit(collected: Any) -> None:
    events = collected.events()
    assert len(events) == 3
    for event in events:
        check("event", event)
        check("event-written", event)


def test_web_logs_fit() -> None:
    server = WebServer(seed=1)
    for number in range(200):
        check("web-log", json.loads(encode_web_log(server.next_log(NOW + number))))


def test_a_transaction_of_stage_1_is_as_documented(written: Written) -> None:
    check("events-commit", json.loads(written.metadata))
    *partials, last = written.values()
    examples = dict(EXAMPLES)
    assert [shape(each) for each in partials] == [shape(examples["partial-2.json"])] * len(partials)
    assert shape(last) == shape(examples["watermark-1.json"])
    payload = msgspec.msgpack.decode(partials[0]["payload"])
    assert shape(payload) == shape(examples["partial-payload.json"])
    for name, record in [
        *(("partial-2", each) for each in partials),
        ("watermark-1", last),
        ("partial-payload", payload),
    ]:
        check(name, msgspec.to_builtins(record))  # bytes as base64
    assert {record.headers for record in written.of("clickstream-window-partials")} == {(SETTINGS.group_header,)}


def shape(value: Any) -> Any:
    """The types in a record; the names in a map of counts are data, and so is the length of a list of numbers."""
    match value:
        case {"type": str(kind)}:
            return {name: shape(each) for name, each in value.items()} | {"type": kind}
        case dict():
            return "counts"
        case list() if all(isinstance(each, int) for each in value):
            return "numbers"
        case list():
            return [shape(each) for each in value]
        case bytes() | "<bytes>":
            return "bytes"
    return type(value).__name__


def test_dead_letters_have_these_headers(written: Written, collected: Any) -> None:
    letters = [*written.of("clickstream-dead-letters"), *collected.written(DEAD_LETTERS)]
    headers = [{name: value.decode() for name, value in letter.headers} for letter in letters]
    for each in headers:
        check("dead-letter-headers", each)
    assert {each["app"] for each in headers} == {"clickstream-streams", "clickstream-collector"}
    assert {each["reason"] for each in headers} == set(names("### Reasons")) - {"unknown_scenario"}


def test_results_fit() -> None:
    partials = [partial.counts for partial in counted().partials.values()]
    window = SETTINGS.rules.window_of(NOW)
    metrics = merged_metrics(window, SETTINGS.rules.end_of(window), partials)
    check("window-metrics", json.loads(encode_window_metrics(metrics)))
    task = MergeTask(TopicPartition("clickstream-window-partials", 0), None, replica=replica(), settings=SETTINGS)  # type: ignore[arg-type]
    assert task._record(Result(metrics, None)).headers == (SETTINGS.group_header,)
    record = task._record(Result(metrics, {3: PartitionReceipt(7, 99, metrics.total_events, {"late": 1})}))
    assert record.key == metrics.window_start.encode()
    group, (name, receipt) = record.headers
    assert (group, name) == (SETTINGS.group_header, "receipt")
    check("receipt", json.loads(receipt))


def test_schema_and_readers_are_of_one_mind_about_receipts() -> None:
    (whole,) = [example for schema, example in EXAMPLES if schema == "receipt.json"]
    entry = whole["0"]
    values: tuple[Any, ...] = (None, -1, 0, 1.5, "many", [], {}, {"late": 0}, {"late": None}, 2**63)
    changed = [{"0": {**entry, field: value}} for field in entry for value in values]
    changed += [{"0": {key: value for key, value in entry.items() if key != field}} for field in entry]
    changed += [{name: entry} for name in ("", "-1", "01", "7", "999999", "1000000", "total")]
    for each in (whole, {}, [], {"0": {**entry, "more": 1}}, *changed):
        assert fits("receipt", each) == is_receipt(each), each


def is_receipt(value: object) -> bool:
    try:
        decode_receipt(json.dumps(value).encode())
    except MalformedReceipt:
        return False
    return True


def test_the_merges_commit_fits() -> None:
    commit = MergeCommit(rules=SETTINGS.rules, replay_from=7, results_topic="clickstream-metrics", results_from=(1, 2))
    check("merge-commit", json.loads(encode_commit(commit)))


@pytest.mark.parametrize(("name", "kind"), [("events-commit", EventsCommit), ("merge-commit", MergeCommit)])
def test_a_commit_without_what_it_needs_is_none_for_schema_and_processor(name: str, kind: type[EventsCommit]) -> None:
    (whole,) = [example for schema, example in EXAMPLES if schema == f"{name}.json"]
    for field, value in whole.items():
        for changed in ({**whole, field: {}}, {other: each for other, each in whole.items() if other != field}):
            assert fits(name, changed) == (decode_commit(json.dumps(changed), kind) is not None), (field, value)
    assert set(whole) == set(SCHEMAS[name]["properties"]) == set(kind.__struct_fields__)


# -- schemas refuse what the processor refuses ------------------------------------------------------------------------


def more_values() -> list[tuple[str, bytes]]:
    return [
        ("a name of 8,193 bytes", event_value(AT, user_id="u" * 8193)),
        ("a name of 4,097 characters and 8,194 bytes", event_value(AT, user_id="é" * 4097)),
        ("a name of 4,096 characters and 8,192 bytes", event_value(AT, user_id="é" * 4096)),
        ("an unknown field, 501 levels deep", event_value(AT)[:-1] + b',"deep":' + b"[" * 501 + b"]" * 501 + b"}"),
        ("the longest duration", event_value(AT, duration_ms=2**63 - 1)),
        ("a duration beyond 63 bits", event_value(AT, duration_ms=2**63)),
    ]


def cases() -> list[tuple[str, bytes | None]]:
    table = [(each.name, each.value) for each in (*valid_values(AT), *invalid_values(AT)) if each.reason != "future"]
    return [*table, *more_values()]


@pytest.mark.parametrize(("name", "value"), cases(), ids=[name for name, _ in cases()])
def test_schema_and_processor_are_of_one_mind_about_events(name: str, value: bytes | None) -> None:
    assert accepts(value) == (processor_accepts(value) or name in INEXPRESSIBLE)


def accepts(value: bytes | None) -> bool:
    """Whether a reader of strict JSON takes the value and the schema does."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    try:
        return fits("event", json.loads((value or b"").decode(), parse_constant=refuse))
    except (ValueError, RecursionError):
        return False


def processor_accepts(value: bytes | None) -> bool:
    try:
        parse_timestamp(decode_event(value).timestamp)
    except (InvalidEvent, ValueError):
        return False
    return True


def test_the_needed_fields_are_the_schemas() -> None:
    assert tuple(SCHEMAS["event"]["required"]) == tuple(SCHEMAS["event"]["properties"]) == NEEDED


def test_schema_and_readers_are_of_one_mind_about_results() -> None:
    (whole,) = [example for schema, example in EXAMPLES if schema == "window-metrics.json"]
    for field in whole:
        values: tuple[Any, ...] = (None, -1, 1.5, "yesterday", 2**63)
        changed = [{**whole, field: value} for value in values] + [{k: v for k, v in whole.items() if k != field}]
        for result in changed:
            assert fits("window-metrics", result) == is_read(result), result.get(field, f"no {field}")


def is_read(result: dict[str, Any]) -> bool:
    try:
        decode_window_metrics(json.dumps(result).encode())
    except MalformedMetrics:
        return False
    return True


@pytest.mark.parametrize("name", ["partial-2", "watermark-1"])
def test_schema_and_merge_are_of_one_mind_about_internal_records(name: str, written: Written) -> None:
    record = next(each for each in written.values() if each["type"] == name)
    for field in record:
        values: tuple[Any, ...] = (None, -(10**16), 10**16, 1.5, [], "yesterday", 0)
        changed = [{**record, field: value} for value in values if (field, value) != ("payload", "yesterday")]
        for each in [*changed, {key: value for key, value in record.items() if key != field}]:
            assert fits(name, msgspec.to_builtins(each)) == is_internal(each), each


def is_internal(record: dict[str, Any]) -> bool:
    try:
        decode_record(msgspec.msgpack.encode(record))
    except InvalidRecord:
        return False
    return True


# -- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "example"), [(name, example) for name, example in EXAMPLES if ".json" in name])
def test_an_example_fits_its_schema(name: str, example: object) -> None:
    check(name.removesuffix(".json"), example)


def test_every_schema_has_an_example() -> None:
    assert {name.removesuffix(".json") for name, _ in EXAMPLES if ".json" in name} == set(SCHEMAS)


def test_the_topics_are_the_codes() -> None:
    topics = clickstream_topics(
        SETTINGS.topics.events_topic,
        SETTINGS.topics.metrics_topic,
        SETTINGS.topics.partials_topic,
        SETTINGS.topics.dead_letter_topic,
    )
    kept = {"24 h": 1, "7 d": 7}
    rows = {(row[0].strip("`"), int(row[1]), kept[row[2]]) for row in table("## Topics")}
    day = 24 * HOUR
    topics = (*topics, *scenario_topics())
    assert rows == {(each.name, each.partitions, int(each.configs["retention.ms"]) // day) for each in topics}


def test_the_headers_are_the_codes(written: Written, collected: Any) -> None:
    records = [*written.records, *collected.written(DEAD_LETTERS), *collected.written()]
    assert set(names("## Headers")) - {RECEIPT_HEADER} == {name for record in records for name, _ in record.headers}
    assert set(names("## Headers")) - {RECEIPT_HEADER} == set(SCHEMAS["dead-letter-headers"]["properties"])


def test_the_reasons_are_the_codes() -> None:
    counters = {sample.labels["reason"] for metric in instruments.DEAD_LETTERS.collect() for sample in metric.samples}
    assert set(names("### Reasons")) == counters | set(scenario_reasons)
    assert names("### Reasons") == SCHEMAS["dead-letter-headers"]["properties"]["reason"]["enum"]
    assert counters == set(SCHEMAS["receipt"]["additionalProperties"]["properties"]["refused"]["propertyNames"]["enum"])
