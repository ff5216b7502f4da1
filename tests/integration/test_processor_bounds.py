"""What the processor writes is bounded, and so is what a record on its own topic can do."""

from datetime import UTC, datetime

import pytest

from clickstream_streams.partials import PartialPart, WatermarkRecord, encode_record
from clickstream_streams.windows import CountingRules
from kit.events import event_value
from kit.offline import assert_equal_to_offline_count, read_metrics
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import minutes_ago, sample, start_processor, wait_until_all_is_committed
from kit.topics import PipelineTopics, ToSend, read_all, send

RULES = CountingRules(5_000, "event", 60_000)


def written_bytes(topics: PipelineTopics, topic: str) -> int:
    """Bytes of the topic's records before compression, keys and headers included."""
    return sum(
        len(each.value or b"") + len(each.key or b"") + sum(len(name) + len(value) for name, value in each.headers)
        for each in read_all(topics.bootstrap_servers, topic)
    )


def test_late_events_make_fewer_bytes_of_partials_than_twice_their_own(topics: PipelineTopics, apps: Apps) -> None:
    at = datetime.fromtimestamp(minutes_ago(2) / 1000, UTC)
    app = start_processor(apps, topics, ALLOWED_LATENESS="1h", COMMIT_INTERVAL="100ms", REVISION_INTERVAL="1h")
    users = [
        ToSend(event_value(at, user_id=f"user-{number}", session_id=f"session-{number}"), partition=number % 6)
        for number in range(3000)
    ]
    send(topics.bootstrap_servers, topics.events, users)
    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=0.5)
    events, partials = written_bytes(topics, topics.events), written_bytes(topics, topics.partials)
    assert partials < 2 * events

    for turn in range(10):
        late = [ToSend(event_value(at, user_id=f"late-{turn}-{each}"), partition=each) for each in range(6)]
        send(topics.bootstrap_servers, topics.events, late)
        wait_until_all_is_committed(topics)

    late_bytes = written_bytes(topics, topics.events) - events
    assert written_bytes(topics, topics.partials) - partials < 2 * late_bytes
    assert sample(app, "clickstream_streams_events_total") == 3060
    assert sample(app, "clickstream_streams_windows_total", kind="revision") == 0


def foreign_records(window: int) -> list[bytes]:
    """Records that no processor writes: bytes, and a partition that can't be."""
    return [
        b"not ours",
        b"\xc1\xff",
        encode_record(WatermarkRecord(RULES, 10**9, window, window)),
        encode_record(PartialPart(RULES, 10**9, window, 0, 1, True, b"")),
    ]


def test_what_no_processor_writes_is_skipped_and_counted(topics: PipelineTopics, apps: Apps) -> None:
    window = minutes_ago(2)
    at = datetime.fromtimestamp(window / 1000, UTC)
    foreign = [ToSend(each, headers=topics.group_header) for each in foreign_records(window)]
    # Idle partitions follow the clock, which makes nothing late here.
    app = start_processor(apps, topics, ALLOWED_LATENESS="10m")
    app.wait_until_ready()
    send(topics.bootstrap_servers, topics.partials, foreign)
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(at), partition=each) for each in range(6)])

    eventually(lambda: assert_equal_to_offline_count(topics, 5), 60, every=0.5)

    eventually(lambda: sample(app, "clickstream_streams_skipped_internal_records_total") == 4, 30)
    app.kill()
    again = start_processor(apps, topics, ALLOWED_LATENESS="10m")
    again.wait_until_ready()
    assert len(read_metrics(topics)) == 1


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (encode_record(PartialPart(RULES, 0, 4_102_444_800_000, 0, 1, True, b"cut")), "reset --to-earliest"),
        (b"\x81\xa4type\xa9partial-9", "a newer version of the processor (partial-9)"),
    ],
)
def test_a_record_that_could_make_a_window_wrong_ends_it_with_what_to_do(
    topics: PipelineTopics, apps: Apps, record: bytes, said: str
) -> None:
    app = start_processor(apps, topics)
    app.wait_until_ready()
    send(topics.bootstrap_servers, topics.partials, [ToSend(record, headers=topics.group_header)])
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(datetime.now(UTC)), partition=0)])

    app.expect_exit(1, 60)

    last = app.child.last_lines(1)
    assert said in last
    assert f"{topics.partials}[0]" in last
