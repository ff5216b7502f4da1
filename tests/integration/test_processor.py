"""What the processor counts: its results equal an independent offline count, and what it refuses is what it must."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from kafka.serializer import Serializer

from clickstream_core.receipt_checks import result_problems
from clickstream_core.receipts import decode_receipt, receipt_of
from clickstream_core.window_metrics import decode_window_metrics
from kit.events import RawEvent, event_value, invalid_values, valid_values
from kit.generate import Shape, generate
from kit.offline import assert_equal_to_offline_count, read_dead_letters, read_metrics
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import (
    dead_letter_reasons,
    expected_dead_letters,
    minutes_ago,
    sample,
    start_processor,
    total_events,
    windows_announced,
)
from kit.topics import Message, PipelineTopics, ToSend, lag, read_all, send


def test_a_disorderly_stream_is_counted_as_offline(topics: PipelineTopics, apps: Apps) -> None:
    shape = Shape(start_ms=minutes_ago(4), quiet=frozenset({1}), empty=frozenset({4}))
    records = generate(shape, seed=1)
    written = send(topics.bootstrap_servers, topics.events, records)
    app = start_processor(apps, topics)

    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)

    expected = expected_dead_letters(
        shape,
        records,
        written,
        window_size=5_000,
        out_of_orderness=3_000,
        allowed_lateness=20_000,
        max_clock_skew=60_000,
    )
    assert {each: letter.header("reason") for each, letter in read_dead_letters(topics).items()} == expected
    app.stop()
    assert len(windows_announced(app)) == sum(result.revision + 1 for result in results.values())
    assert problems_of_receipts(topics) == []


def problems_of_receipts(topics: PipelineTopics) -> list[str]:
    """What `receipt_checks` finds in the results."""
    problems = []
    for result in topics.read(topics.metrics, "read_committed"):
        metrics = decode_window_metrics(result.value)
        problems += result_problems(metrics.total_events, decode_receipt(receipt_of(result.headers) or b""))
    return problems


def test_metrics_of_the_processor_agree_with_the_results(topics: PipelineTopics, apps: Apps) -> None:
    records = generate(Shape(start_ms=minutes_ago(4), events=1000), seed=2)
    send(topics.bootstrap_servers, topics.events, records)
    app = start_processor(apps, topics)

    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=1)

    reasons = dead_letter_reasons(topics)
    assert sample(app, "clickstream_streams_events_total") == len(records) - reasons.total()
    assert {each: sample(app, "clickstream_streams_dead_letters_total", reason=each) for each in reasons} == reasons
    assert sample(app, "clickstream_streams_windows_total", kind="first") == len(results)
    revisions = sum(result.revision for result in results.values())
    assert sample(app, "clickstream_streams_windows_total", kind="revision") == revisions
    assert sample(app, "clickstream_streams_lag_records") == 0


def test_malformed_records_of_every_kind_change_no_number(topics: PipelineTopics, apps: Apps) -> None:
    at = datetime.fromtimestamp(minutes_ago(2) / 1000, UTC)
    arrival = int(at.timestamp() * 1000)
    kinds = invalid_values(at)
    malformed = [kinds[number % len(kinds)] for number in range(1000)]
    valid = [RawEvent(f"event {number}", event_value(at, user_id=f"user_{number % 77}")) for number in range(1000)]
    mixed = [each for pair in zip(malformed, valid, strict=True) for each in pair] + list(valid_values(at))
    written = send(
        topics.bootstrap_servers,
        topics.events,
        [ToSend(each.value, b"key", number % 5, arrival) for number, each in enumerate(mixed)],
    )
    start_processor(apps, topics)

    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 90, every=1)

    letters = {place: letter.header("reason") for place, letter in read_dead_letters(topics).items()}
    expected = {place: each.reason for place, each in zip(written, mixed, strict=True) if each.reason}
    names = {place: each.name for place, each in zip(written, mixed, strict=True)}
    wrong = {names[place]: (expected.get(place), letters.get(place)) for place in expected.keys() | letters.keys()}
    assert {name: reasons for name, reasons in wrong.items() if reasons[0] != reasons[1]} == {}
    assert sum(total_events(each) for each in results.values()) == len(mixed) - 1000


class Nothing(Serializer):  # type: ignore[misc]
    """Makes null of every value: kafka-python too would not write a record with neither key nor value."""

    def serialize(self, topic: str, headers: object, data: object) -> None:
        """Return what Kafka calls a null value."""


def test_records_that_clients_would_not_write_do_not_stop_the_stream(topics: PipelineTopics, apps: Apps) -> None:
    null = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, value_serializer=Nothing())
    null.send(topics.events, value="", partition=0).get(10)
    null.close()
    large = KafkaProducer(
        bootstrap_servers=topics.bootstrap_servers, compression_type="gzip", max_request_size=128 << 20
    )
    # What a broker limits is the size of the compressed batch: these are no larger than the noise below.
    for size in (12 << 20, 70 << 20):
        large.send(topics.events, value=b"x" * size, key=b"key", partition=0).get(30)
    large.close()
    noise = random.Random(30).randbytes(3 << 20)
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.alter_configs([ConfigResource("TOPIC", topics.dead_letters, {"max.message.bytes": 2 << 20})])
        admin.alter_configs([ConfigResource("TOPIC", topics.events, {"max.message.bytes": 4 << 20})])
    event = event_value(datetime.now(UTC))
    before_the_calendar = ToSend(event, b"key", 0, timestamp=-(10**17))
    send(topics.bootstrap_servers, topics.events, [ToSend(noise, b"key", 0), before_the_calendar, ToSend(event)])

    start_processor(apps, topics)

    def all_five() -> list[Message]:
        found = read_all(topics.bootstrap_servers, topics.dead_letters)
        assert len(found) == 5
        return found

    letters = eventually(all_five, 60)
    by_offset = {int(each.header("source-offset")): each for each in letters}
    reasons = [by_offset[offset].header("reason") for offset in range(5)]
    assert reasons == ["not_json", "not_json", "too_large", "not_json", "future"]
    assert (by_offset[0].key, by_offset[0].value) == (None, None)
    assert by_offset[1].value == b"x" * (12 << 20)
    assert [by_offset[offset].value for offset in (2, 3)] == [None, None]
    assert "its 3145728 bytes are too many" in by_offset[3].header("error")
    eventually(lambda: sum(total_events(each) for each in read_metrics(topics).values()) == 1, 40, every=0.5)


def test_dead_letters_fit_a_topic_that_takes_only_small_ones(topics: PipelineTopics, apps: Apps) -> None:
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap_servers) as admin:
        admin.alter_configs([ConfigResource("TOPIC", topics.dead_letters, {"max.message.bytes": 100_000})])
    noise = random.Random(31)
    small = [noise.randbytes(5_000) for _ in range(300)]
    records = [ToSend(value, b"key", 0) for value in small]
    records += [ToSend(noise.randbytes(200_000), b"key", 0), ToSend(b"{}", noise.randbytes(200_000), 0)]
    send(topics.bootstrap_servers, topics.events, records)

    start_processor(apps, topics)

    def all_of_them() -> list[Message]:
        found = read_all(topics.bootstrap_servers, topics.dead_letters)
        assert len(found) == len(records)
        return found

    letters = eventually(all_of_them, 60)
    by_offset = {int(each.header("source-offset")): each for each in letters}
    assert [by_offset[offset].value for offset in range(302)] == [*small, None, b"{}"]
    assert [by_offset[offset].key for offset in (0, 300, 301)] == [b"key", b"key", None]
    assert "its 200000 bytes are too many" in by_offset[300].header("error")
    assert "its key's 200000 bytes are too many" in by_offset[301].header("error")


def test_the_last_window_closes_without_a_further_event(topics: PipelineTopics, apps: Apps) -> None:
    app = start_processor(apps, topics)
    app.wait_until_ready()
    now = datetime.now(UTC)
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(now), partition=3) for _ in range(10)])

    results = eventually(lambda: assert_equal_to_offline_count(topics, 5), 40, every=0.5)

    assert len(results) == 1
    assert read_dead_letters(topics) == {}


def test_lag_is_zero_while_a_window_is_open(topics: PipelineTopics, apps: Apps) -> None:
    start_processor(apps, topics, WINDOW_SIZE="1d", OUT_OF_ORDERNESS="10m")
    values = [event_value(datetime.now(UTC), user_id=f"user_{number}") for number in range(500)]
    send(topics.bootstrap_servers, topics.events, [ToSend(each, key=each[:80]) for each in values])

    eventually(lambda: set(lag(topics.bootstrap_servers, topics.group_id, topics.events).values()) == {0}, 40)

    assert read_metrics(topics) == {}


def test_a_late_event_revises_its_window_until_that_is_over(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=1)
    start = datetime.fromtimestamp(minutes_ago(10) / 1000, UTC)
    settings = {"OUT_OF_ORDERNESS": "1s", "ALLOWED_LATENESS": "10s", "IDLE_TIMEOUT": "1d"}
    start_processor(apps, topics, **settings)

    def happen(seconds: float, user: str) -> None:
        at = start + timedelta(seconds=seconds)
        record = ToSend(event_value(at, user_id=user), partition=0, timestamp=int(start.timestamp() * 1000) + 60_000)
        send(topics.bootstrap_servers, topics.events, [record])

    def window_result() -> tuple[int, int] | None:
        found = read_metrics(topics).get(start.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return None if found is None else (found.revision, total_events(found))

    happen(2, "on time")
    happen(6.0, "closes the window")
    eventually(lambda: window_result() == (0, 1), 40, every=0.2)
    happen(3, "late, and still counted")
    eventually(lambda: window_result() == (1, 2), 20, every=0.2)
    happen(15.999, "a millisecond before the window is over")
    happen(4, "late, and still counted")
    eventually(lambda: window_result() == (2, 3), 20, every=0.2)
    happen(16, "the window is over")
    happen(4, "too late")
    eventually(lambda: dead_letter_reasons(topics) == {"late": 1}, 20, every=0.2)

    assert window_result() == (2, 3)


def test_windows_of_arrival_take_the_record_timestamp(topics: PipelineTopics, apps: Apps) -> None:
    shape = Shape(start_ms=minutes_ago(4), events=1000, quiet=frozenset({2}))
    start = datetime.fromtimestamp(shape.start_ms / 1000, UTC)
    records = generate(shape, seed=3)
    send(topics.bootstrap_servers, topics.events, records)
    start_processor(apps, topics, WINDOW_TIME="arrival")

    eventually(lambda: assert_equal_to_offline_count(topics, 5, by_arrival=True), 60, every=1)

    refused = {each.value for each in invalid_values(start)}
    assert sum(dead_letter_reasons(topics).values()) == sum(record.value in refused for record in records)
    assert dead_letter_reasons(topics).keys().isdisjoint({"late", "future", "expired"})
