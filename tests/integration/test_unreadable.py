"""Record batches that can't be read, on a real broker's disk: each app passes over them, counts and names them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaProducer

from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_kafka.patches.bounded_unpacking import MOST_UNPACKED_BYTES
from clickstream_local.broker import Broker
from kit.damage import Damage, break_the_header, damage_segment, fill_with_nonsense, flip_a_bit, name_an_unknown_codec
from kit.events import event_value
from kit.offline import read_metrics
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import sample, start_processor, total_events
from kit.topics import PipelineTopics, create_topics

CODECS = ("gzip", "snappy", "lz4", "zstd")
DAMAGES: tuple[Damage, ...] = (flip_a_bit, break_the_header, name_an_unknown_codec, fill_with_nonsense)
IN_A_BATCH = 5


def write(topics: PipelineTopics, topic: str, batches: list[tuple[str | None, list[bytes]]]) -> list[int]:
    """Write each list of values to partition 0 as one batch in that codec; return the batches' first offsets."""
    firsts = []
    for codec, values in batches:
        producer = KafkaProducer(
            bootstrap_servers=topics.bootstrap_servers,
            compression_type=codec,
            linger_ms=5_000,
            acks="all",
            batch_size=2 * MOST_UNPACKED_BYTES,
            max_request_size=2 * MOST_UNPACKED_BYTES,
        )
        headers = list(topics.group_header)
        futures = [producer.send(topic, value, partition=0, headers=headers) for value in values]
        producer.flush(timeout=30)
        firsts.append(futures[0].get(timeout=30).offset)
        producer.close()
    return firsts


def result(number: int) -> bytes:
    start = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=10 * number)
    text = "%Y-%m-%dT%H:%M:%SZ"
    end = start + timedelta(seconds=10)
    return encode_window_metrics(
        WindowMetrics(
            window_start=start.strftime(text),
            window_end=end.strftime(text),
            total_events=number,
            unique_users=1,
            unique_sessions=1,
            event_types={},
            devices={},
            top_referrers={},
            top_pages={},
            avg_duration_ms=0,
        )
    )


def results(first: int) -> list[bytes]:
    return [result(first + number) for number in range(IN_A_BATCH)]


def damage_on_disk(broker: Broker, topic: str, firsts: list[int]) -> None:
    for first, damage in zip(firsts, DAMAGES, strict=True):
        damage_segment(broker.directory / "data", topic, 0, first, damage)


def test_the_dashboard_reads_every_codec_and_passes_over_what_cannot_be_read(broker: Broker, apps: Apps) -> None:
    topics = create_topics(broker.bootstrap_servers)
    good = [(codec, results(10 * number)) for number, codec in enumerate((None, *CODECS))]
    bad = [(codec, results(100 + 10 * number)) for number, codec in enumerate(CODECS)]
    firsts = write(
        topics, topics.metrics, [each for pair in zip(bad, good[1:], strict=True) for each in pair] + good[:1]
    )
    damage_on_disk(broker, topics.metrics, firsts[:8:2])

    app = apps.start("clickstream_consumer.main", "--from-beginning", environ={**topics.environ, "GROUP_ID": "d"})
    eventually(lambda: sample(app, "clickstream_consumer_results_total") == IN_A_BATCH * len(good), 60)

    assert sample(app, "clickstream_consumer_unreadable_records_total", topic=topics.metrics, partition="0") == 20

    def on_the_page() -> int:
        return len(json.loads(app.get("/api/windows?limit=100")[1])["windows"])

    eventually(lambda: on_the_page() == IN_A_BATCH * len(good), 10)
    assert f"Skipped 5 records of {topics.metrics}[0], offsets 0 to 4" in app.output()
    assert "Traceback" not in app.output()
    app.wait_until_ready()
    app.stop()


def test_the_processor_reads_every_codec_and_goes_on_behind_what_cannot_be_read(broker: Broker, apps: Apps) -> None:
    topics = create_topics(broker.bootstrap_servers, partitions=1)
    at = datetime.now(UTC)
    events = [event_value(at, user_id=f"u{number}") for number in range(IN_A_BATCH)]
    good, bad = [(codec, events) for codec in (None, *CODECS)], [(codec, events) for codec in CODECS]
    by_turns = [each for pair in zip(bad, good[1:], strict=True) for each in pair]
    firsts = write(topics, topics.events, [*by_turns, good[0]])
    damage_on_disk(broker, topics.events, firsts[:8:2])

    def counted() -> int:
        return sum(total_events(each) for each in read_metrics(topics).values())

    app = start_processor(apps, topics)
    eventually(lambda: counted() == IN_A_BATCH * len(good), 60, every=0.5)
    assert sample(app, "clickstream_streams_unreadable_records_total", topic=topics.events, partition="0") == 20
    assert f"Skipped 5 records of {topics.events}[0], offsets 0 to 4" in app.output()
    app.kill()

    again = start_processor(apps, topics, ALLOWED_LATENESS="10m")
    again.wait_until_ready(60)
    write(topics, topics.events, [(None, events)])
    eventually(lambda: counted() == IN_A_BATCH * (len(good) + 1), 60, every=0.5)
    assert "Traceback" not in app.output() + again.output()
    again.stop()


def too_large(codec: str) -> list[tuple[str | None, list[bytes]]]:
    """One batch of two small records and one that makes it unpack to more than 64 MiB."""
    return [(codec, [b"small", b" " * (MOST_UNPACKED_BYTES + 1), b"small"])]


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
def test_each_record_of_a_batch_that_unpacks_to_too_much_is_a_dead_letter(
    make_topics: Callable[..., PipelineTopics], apps: Apps, codec: str
) -> None:
    topics = make_topics(partitions=1)
    at = datetime.now(UTC)
    events = [event_value(at, user_id=f"u{number}") for number in range(IN_A_BATCH)]
    (first, _) = write(topics, topics.events, [*too_large(codec), (None, events)])
    app = start_processor(apps, topics)

    eventually(lambda: sum(total_events(each) for each in read_metrics(topics).values()) == IN_A_BATCH, 60, every=0.5)

    letters = topics.read(topics.dead_letters, "read_committed")
    assert sorted((each.header("reason"), each.header("source-offset"), each.value) for each in letters) == [
        ("too_large", str(first + number), None) for number in range(3)
    ]
    assert sample(app, "process_resident_memory_bytes") < 400 << 20


def test_the_dashboard_passes_over_a_batch_that_unpacks_to_too_much(
    make_topics: Callable[..., PipelineTopics], apps: Apps
) -> None:
    topics = make_topics(partitions=1)
    write(topics, topics.metrics, [*too_large("zstd"), (None, results(0))])

    app = apps.start("clickstream_consumer.main", "--from-beginning", environ={**topics.environ, "GROUP_ID": "d2"})
    eventually(lambda: sample(app, "clickstream_consumer_results_total") == IN_A_BATCH, 60)

    app.wait_for_output("it unpacks to more than 64 MiB")
    assert sample(app, "process_resident_memory_bytes") < 400 << 20
    app.stop()
