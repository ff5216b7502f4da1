"""The test kit itself: a kit that is wrong would make every other test worthless."""

import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from clickstream_local.broker import Broker
from kit.events import event_value, invalid_values, valid_values
from kit.generate import Shape, generate
from kit.inventory import ROOT
from kit.offline import assert_equal_to_offline_count, count_offline, read_metrics
from kit.poll import eventually
from kit.processes import Apps
from kit.topics import PipelineTopics, ToSend, create_topics, lag, read_all, send

AT = datetime(2024, 10, 26, 10, 30, 45, 123000, tzinfo=UTC)
WINDOW = "2024-10-26T10:30:00Z"
RECEIPT = '{"1":{"first":0,"last":3,"counted":3,"refused":{"not_json":1}}}'


def send_three_events_and_a_dead_letter(topics: PipelineTopics) -> None:
    values = [
        event_value(AT, user_id="a", duration_ms=1),
        event_value(AT, user_id="b", duration_ms=2, event_type="click"),
        b"not json",
        event_value(AT, user_id="a", duration_ms=5, event_type="click"),
    ]
    written = send(topics.bootstrap_servers, topics.events, [ToSend(each, partition=1) for each in values])
    partition, offset = written[2]
    headers = {"source-topic": topics.events, "source-partition": partition, "source-offset": offset}
    headers |= {"reason": "not_json", "error": "no JSON", "app": "test"}
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    encoded = [*((name, str(text).encode()) for name, text in headers.items()), *topics.group_header]
    producer.send(topics.dead_letters, value=b"not json", headers=encoded).get(10)
    producer.close()


def send_metrics(topics: PipelineTopics, *revisions: int, receipt: str = RECEIPT, **changes: Any) -> None:
    """Write what a right processor would write, but for `changes` and the `receipt`."""
    numbers = count_offline(topics, 60)[WINDOW]
    headers = (*topics.group_header, ("receipt", receipt.encode()))
    ends = {"window_start": WINDOW, "window_end": "2024-10-26T10:31:00Z"}
    records = [{**ends, **numbers, "revision": each, "approximate": False, **changes} for each in revisions]
    sent = [ToSend(json.dumps(each).encode(), key=WINDOW.encode(), headers=headers) for each in records]
    send(topics.bootstrap_servers, topics.metrics, sent)


def test_the_index_lists_every_module_once() -> None:
    folder = Path(__file__).parent / "kit"
    listed = re.findall(r"^\| `(\w+\.py)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in folder.glob("*.py") if path.name != "__init__.py")


def test_tests_that_need_more_than_python_are_marked_by_their_fixtures() -> None:
    slow = ["tests/cluster", "tests/integration/test_processor.py", "apps/consumer/tests/test_page.py"]
    fast = ["-m", "not (kafka or browser or helm or cluster)"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", *fast, *slow]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout.decode()


def test_eventually_returns_what_became_true() -> None:
    values = iter([0, 0, 7])
    assert eventually(lambda: next(values), 5, every=0) == 7


def test_eventually_gives_up_with_the_last_value() -> None:
    with pytest.raises(AssertionError, match="the last value was 0"):
        eventually(lambda: 0, 0)


def test_eventually_takes_a_failed_assertion_for_not_yet() -> None:
    def never() -> bool:
        raise AssertionError("3 windows are missing")

    with pytest.raises(AssertionError, match="3 windows are missing"):
        eventually(never, 0)


def test_the_offline_count_is_what_a_hand_counts(topics: PipelineTopics) -> None:
    send_three_events_and_a_dead_letter(topics)

    assert count_offline(topics, 60) == {
        WINDOW: {
            "total_events": 3,
            "unique_users": 2,
            "unique_sessions": 1,
            "event_types": {"click": 2, "page_view": 1},
            "devices": {"mobile": 3},
            "top_referrers": {"google.com": 3},
            "top_pages": {"/products/laptop": 3},
            "avg_duration_ms": 2,
        }
    }


def test_right_metrics_equal_the_offline_count(topics: PipelineTopics) -> None:
    send_three_events_and_a_dead_letter(topics)
    send_metrics(topics, 0, 1)

    assert assert_equal_to_offline_count(topics, 60)[WINDOW].revision == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_events": 4}, "total_events is 4, counted offline 3"),
        ({"event_types": {"page_view": 1, "click": 2}}, "event_types is"),
        ({"window_end": "2024-10-26T10:35:00Z"}, "window_end is 2024-10-26T10:35:00Z"),
        ({"approximate": True}, "marked as approximate"),
    ],
)
def test_wrong_metrics_are_told_apart(topics: PipelineTopics, changes: dict[str, Any], message: str) -> None:
    send_three_events_and_a_dead_letter(topics)
    send_metrics(topics, 0, **changes)

    with pytest.raises(AssertionError, match=message):
        assert_equal_to_offline_count(topics, 60)


@pytest.mark.parametrize(
    "wrong", [('"last":3', '"last":2'), ('"not_json":1', ""), ("{", '{"0":null,'), (RECEIPT, "null")]
)
def test_a_wrong_receipt_is_noticed(topics: PipelineTopics, wrong: tuple[str, str]) -> None:
    send_three_events_and_a_dead_letter(topics)
    send_metrics(topics, 0, receipt=RECEIPT.replace(*wrong, 1))

    with pytest.raises(AssertionError, match="the receipt"):
        assert_equal_to_offline_count(topics, 60)


@pytest.mark.parametrize("revisions", [(0, 0), (0, 2), (1,), (1, 0)])
def test_a_revision_that_is_missing_or_there_twice_is_noticed(
    topics: PipelineTopics, revisions: tuple[int, ...]
) -> None:
    send_three_events_and_a_dead_letter(topics)
    send_metrics(topics, *revisions)

    with pytest.raises(AssertionError, match="revisions"):
        read_metrics(topics)


def test_an_invalid_event_outside_the_dead_letters_is_noticed(topics: PipelineTopics) -> None:
    send(topics.bootstrap_servers, topics.events, [ToSend(event_value(AT, user_id=7))])

    with pytest.raises(AssertionError, match="user_id is 7"):
        count_offline(topics, 60)


def test_every_valid_value_is_counted_in_the_window_of_its_time(topics: PipelineTopics) -> None:
    values = valid_values(AT)
    send(topics.bootstrap_servers, topics.events, [ToSend(each.value) for each in values])

    counted = count_offline(topics, 60)

    assert {start: numbers["total_events"] for start, numbers in counted.items()} == {WINDOW: len(values)}


def test_the_tables_of_values_name_each_case_once_and_know_every_reason() -> None:
    valid, invalid = valid_values(AT), invalid_values(AT)

    names = Counter(each.name for each in (*valid, *invalid))
    assert [name for name, count in names.items() if count > 1] == []
    assert {each.reason for each in valid} == {None}
    reasons = {"not_json", "not_object", "missing_field", "wrong_type", "bad_timestamp", "future"}
    assert {each.reason for each in invalid} == reasons
    assert max(len(each.value or b"") for each in (*valid, *invalid)) < 1_000_000


def test_a_seed_always_gives_the_same_stream() -> None:
    shape = Shape(start_ms=1_729_938_600_000, events=200, quiet=frozenset({1}), empty=frozenset({4}))

    stream = generate(shape, seed=7)

    assert stream == generate(shape, seed=7)
    assert stream != generate(shape, seed=8)
    assert len(stream) == 200 + shape.late + shape.future + shape.malformed
    partitions = [each.partition for each in stream]
    assert 4 not in partitions
    assert 1 in partitions[: len(stream) // 3]
    assert 1 not in partitions[len(stream) // 3 :]


def test_a_reader_sees_only_what_was_committed(topics: PipelineTopics) -> None:
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap_servers, transactional_id=topics.group_id)
    producer.init_transactions()
    for value, end in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.send(topics.events, value=value, partition=0).get(10)
        end()
    producer.begin_transaction()
    producer.send(topics.events, value=b"open", partition=0).get(10)

    seen = [each.value for each in read_all(topics.bootstrap_servers, topics.events)]
    everything = [each.value for each in read_all(topics.bootstrap_servers, topics.events, "read_uncommitted")]
    producer.abort_transaction()
    producer.close()

    assert seen == [b"committed"]
    assert everything == [b"aborted", b"committed", b"open"]


def test_lag_is_what_a_group_has_not_committed(topics: PipelineTopics) -> None:
    send(topics.bootstrap_servers, topics.events, [ToSend(b"x", partition=0)] * 5 + [ToSend(b"x", partition=1)])
    consumer = KafkaConsumer(bootstrap_servers=topics.bootstrap_servers, group_id=topics.group_id)
    consumer.commit({TopicPartition(topics.events, 0): OffsetAndMetadata(3, "", -1)})
    consumer.close()

    behind = lag(topics.bootstrap_servers, topics.group_id, topics.events)

    assert behind == {0: 2, 1: None, 2: None, 3: None, 4: None, 5: None}


def test_old_record_timestamps_survive(topics: PipelineTopics) -> None:
    send(topics.bootstrap_servers, topics.events, [ToSend(b"x", timestamp=1_000)])

    assert [each.timestamp for each in read_all(topics.bootstrap_servers, topics.events)] == [1_000]


def test_a_process_can_be_paused_killed_and_asked_for_its_output(apps: Apps) -> None:
    app = apps.start("http.server", "0")
    app.wait_for_output("Serving HTTP")
    app.pause()
    app.resume()
    app.kill()

    app.expect_exit(-9, 5)
    assert "killed by SIGKILL" in app.describe()


def test_a_process_that_ends_is_not_waited_for(apps: Apps) -> None:
    app = apps.start("json.tool", "--no-such-option")

    with pytest.raises(RuntimeError, match="exit status 2"):
        app.wait_for_output("anything")
    app.expect_exit(2, 5)


def test_a_killed_broker_comes_back_with_its_data_on_its_port(own_broker: Broker) -> None:
    servers = own_broker.bootstrap_servers
    topics = create_topics(servers, partitions=1)
    send(servers, topics.events, [ToSend(b"kept")])
    own_broker.kill()
    own_broker.start()

    assert [each.value for each in read_all(servers, topics.events)] == [b"kept"]
