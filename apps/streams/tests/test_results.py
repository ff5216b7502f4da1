"""What the merge reads back from the metrics topic, and from where on."""

import asyncio
import uuid
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer

from clickstream_core.groups import DEFAULT_GROUP, GROUP_HEADER
from clickstream_core.timestamps import format_seconds, parse_timestamp
from clickstream_core.window_metrics import WindowMetrics, encode_window_metrics
from clickstream_local.broker import Broker
from clickstream_local.topics import Topic, create_missing
from clickstream_streams.commits import MergeCommit, decode_commit, encode_commit
from clickstream_streams.results import MOST_NAMED, EmittedResult, ResultPlaces, emitted_results
from clickstream_streams.windows import NEVER, CountingRules
from kit.topics import ToSend, send

HOUR = 3_600_000
NOW = parse_timestamp("2024-10-26T10:00:00Z")
RULES = CountingRules(HOUR, "event", 60_000)


def result(end: int, revision: int = 0) -> WindowMetrics:
    window = format_seconds(end - HOUR), format_seconds(end)
    return WindowMetrics(*window, 1, 1, 1, {"click": 1}, {"mobile": 1}, {"direct": 1}, {"/": 1}, 5, revision, False)


def at(end: int, partition: int, offset: int, revision: int = 0) -> EmittedResult:
    return EmittedResult(result(end, revision), partition, offset)


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"t{uuid.uuid4().hex[:10]}-metrics"
    create_missing({"bootstrap_servers": [broker.bootstrap_servers]}, [Topic(name, 2, {"retention.ms": "-1"})])
    return name


async def read(broker: Broker, topic: str, over: int = NEVER, *begin: int) -> tuple[list[EmittedResult], list[int]]:
    kafka = {"bootstrap_servers": broker.bootstrap_servers}
    return await emitted_results(kafka, topic, 2, DEFAULT_GROUP, over=over, begin=begin)


@pytest.mark.parametrize("written", [NOW - 48 * HOUR, NOW, NOW + 48 * HOUR])
async def test_results_are_read_back_whatever_clock_has_stamped_them(broker: Broker, topic: str, written: int) -> None:
    ends = (NOW, NOW + HOUR, NOW + 2 * HOUR)
    values = [ToSend(encode_window_metrics(result(end)), partition=1, timestamp=written) for end in ends]
    send(broker.bootstrap_servers, topic, values)

    kept = [at(NOW + HOUR, 1, 1), at(NOW + 2 * HOUR, 1, 2)]
    assert await read(broker, topic, NOW, 0, 0) == (kept, [0, 3])
    assert await read(broker, topic, NOW, 0, 1) == (kept, [0, 3])
    assert await read(broker, topic, NOW, 0, 2) == (kept[1:], [0, 3])
    assert await read(broker, topic, NOW, 0, 3) == ([], [0, 3])


@pytest.mark.parametrize("begin", [(), (0,), (0, 4)])
async def test_a_partition_is_read_from_its_beginning_where_none_is_named_or_the_topic_was_made_again(
    broker: Broker, topic: str, begin: tuple[int, ...]
) -> None:
    send(broker.bootstrap_servers, topic, [ToSend(encode_window_metrics(result(NOW)), partition=1)] * 2)
    assert await read(broker, topic, NEVER, *begin) == ([at(NOW, 1, 0), at(NOW, 1, 1)], [0, 2])


async def test_results_behind_a_transaction_that_another_processor_has_open_are_waited_for(
    broker: Broker, topic: str
) -> None:
    """Readers of committed records stop at an open transaction, whose ever it is."""
    kafka = {"bootstrap_servers": broker.bootstrap_servers}

    other = AIOKafkaProducer(**kafka, transactional_id=f"{topic}-other")
    await other.start()
    try:
        await other.begin_transaction()
        headers = [(GROUP_HEADER, b"another")]
        await other.send_and_wait(topic, encode_window_metrics(result(NOW)), partition=0, headers=headers)
        await asyncio.to_thread(
            send, broker.bootstrap_servers, topic, [ToSend(encode_window_metrics(result(NOW)), partition=0)]
        )
        beats = asyncio.Semaphore(0)
        reading = asyncio.create_task(emitted_results(kafka, topic, 2, DEFAULT_GROUP, over=NEVER, beat=beats.release))
        beating = asyncio.create_task(beats.acquire())
        await asyncio.wait((reading, beating), return_when=asyncio.FIRST_COMPLETED)
        assert not reading.done()
        await other.abort_transaction()
        async with asyncio.timeout(30):
            assert (await reading)[0] == [at(NOW, 0, 1)]
    finally:
        with suppress(Exception):
            await other.stop()


def test_a_commit_says_where_the_last_results_of_the_windows_begin_that_can_still_change() -> None:
    found = [at(NOW, 0, 3), at(NOW + HOUR, 0, 5), at(NOW + HOUR, 0, 7, 1), at(NOW + 2 * HOUR, 1, 2)]
    places = ResultPlaces(found, [10, 20, 30])
    assert places.begin(NOW - 1) == (3, 2, 30)
    assert places.begin(NOW) == (7, 2, 30)
    assert places.begin(NOW + 2 * HOUR) == (10, 20, 30)


def test_results_of_the_same_transaction_lie_behind_what_was_known_of_the_topic_before() -> None:
    places = ResultPlaces((), [10, 20])
    begin = places.begin(NEVER)
    places.note(result(NOW), 1, 23)
    assert begin == (10, 20)
    assert places.begin(NEVER) == (10, 23)
    places.note(result(NOW, 1), 1, 26)
    assert places.begin(NEVER) == (10, 26)
    assert places.begin(NOW) == (10, 27)


def test_an_offset_that_the_broker_does_not_tell_is_taken_for_the_end_that_was_known() -> None:
    places = ResultPlaces((), [10, 20])
    places.note(result(NOW), 1, -1)
    assert places.begin(NEVER) == (10, 20)


def test_partitions_that_were_added_are_read_from_their_beginning_until_one_of_their_results_is_known() -> None:
    places = ResultPlaces((), [10])
    assert places.begin(NEVER) == (10,)
    places.note(result(NOW), 2, 4)
    assert places.begin(NEVER) == (10, 0, 4)


def test_the_commit_of_a_topic_of_many_partitions_fits_its_metadata() -> None:
    places = ResultPlaces((), [2**50] * 2000)
    commit = MergeCommit(
        rules=RULES,
        replay_from=2**50,
        final_before=NOW,
        forgotten_to=2**50,
        results_topic="m" * 249,
        results_from=places.begin(NOW),
    )
    assert len(commit.results_from) == MOST_NAMED
    assert len(encode_commit(commit)) < 4096
    assert decode_commit(encode_commit(commit), MergeCommit) == commit


def test_a_commit_of_a_version_that_knew_no_offsets_of_results_names_none() -> None:
    old = '{"rules":[3600000,"event",60000],"replay_from":7,"final_before":5}'
    commit = decode_commit(old, MergeCommit)
    assert commit == MergeCommit(rules=RULES, replay_from=7, final_before=5)
