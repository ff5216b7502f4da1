"""Delivery with a producer that does as told; the clock stands still unless a test moves it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, ProducerClosed, TopicAuthorizationFailedError
from kafka.partitioner.default import murmur2
from prometheus_client import REGISTRY

from clickstream_collector import delivery as module
from clickstream_collector.batches import Record
from clickstream_collector.delivery import LINGER_S, STUCK_AFTER_S, Delivery
from clickstream_kafka.errors import KafkaRefused, KafkaUnavailable
from kit.in_process import DEAD_LETTERS, EVENTS, Clock, FakeProducer


class Delivering:
    """A delivery that is connected to a fake producer. Time passes for it when the loop sleeps, or by `clock`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.producer = FakeProducer()
        self.failures = 0
        self.delivery = Delivery(self.clock, self.clock.milliseconds, self._failed)
        self.delivery.set_partitions(EVENTS, 6)
        self.delivery.set_partitions(DEAD_LETTERS, 3)
        self.delivery.connect(self.producer)

    def _failed(self) -> None:
        self.failures += 1

    def accept(self, *records: Record) -> "asyncio.Future[list[int]]":
        return self.delivery.accept(records).kept


@pytest.fixture
async def d() -> AsyncIterator[Delivering]:
    delivering = Delivering()
    yield delivering
    await delivering.delivery.close()


def record(number: int = 0, key: bytes = b"user", size: int = 10, fingerprint: int = 0) -> Record:
    return Record(EVENTS, (b"%d" % number).ljust(size), key, fingerprint=fingerprint)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_record_goes_to_the_java_clients_partition(d: Delivering) -> None:
    keys = [b"user_%d" % number for number in range(50)] + ["사용자".encode(), b"", b"x" * 5000]

    await d.accept(*(record(key=key) for key in keys))
    found = {(written.key, sent.partition) for sent in d.producer.batches for written in sent.records}
    assert found == {(key, (murmur2(key) & 0x7FFFFFFF) % 6) for key in keys}


async def test_records_without_a_key_take_turns(d: Delivering) -> None:
    for _ in range(6):
        await d.accept(Record(DEAD_LETTERS, b"x"))
    partitions = [sent.partition for sent in d.producer.batches]
    assert sorted(partitions) == [0, 0, 1, 1, 2, 2]


async def test_a_record_is_written_as_it_is(d: Delivering) -> None:
    await d.accept(Record(DEAD_LETTERS, b"\xff", headers=(("reason", b"not_json"),)))
    (written,) = d.producer.written(DEAD_LETTERS)
    assert (written.value, written.key, written.headers) == (b"\xff", None, [("reason", b"not_json")])
    assert written.timestamp == 1_000_000


async def test_what_comes_within_the_linger_travels_together(d: Delivering) -> None:
    first, second = d.accept(record(1)), d.accept(record(2))
    await asyncio.gather(first, second)
    (sent,) = d.producer.batches
    assert [written.value.strip() for written in sent.records] == [b"1", b"2"]


async def test_the_linger_is_counted_from_the_first_event(d: Delivering) -> None:
    kept = d.accept(record())
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await kept
    assert loop.time() - begun >= LINGER_S * 0.9


async def test_while_one_batch_is_on_its_way_the_next_one_fills(d: Delivering) -> None:
    d.producer.answers = False
    promises = [d.accept(record(0))]
    await until(lambda: d.producer.batches)
    promises += [d.accept(record(number)) for number in range(1, 4)]
    await asyncio.sleep(LINGER_S * 3)
    assert len(d.producer.batches) == 1
    d.producer.acknowledge()
    await promises[0]
    await until(lambda: len(d.producer.batches) == 2)
    assert not any(promise.done() for promise in promises[1:])
    d.producer.acknowledge()
    await asyncio.gather(*promises)
    assert [len(sent.records) for sent in d.producer.batches] == [1, 3]


async def test_a_full_batch_is_followed_by_another_in_order(d: Delivering) -> None:
    d.producer.batch_bytes = 1000
    await d.accept(*(record(number, size=300) for number in range(7)))
    assert len(d.producer.batches) > 2
    assert [int(written.value) for written in d.producer.written()] == list(range(7))


async def test_a_record_larger_than_a_batch_travels_alone(d: Delivering) -> None:
    await d.accept(record(0), record(1, size=1_000_000), record(2))
    assert [int(written.value) for written in d.producer.written()] == [0, 1, 2]


async def test_one_promise_for_many_events_is_kept_with_the_last_of_their_batches(d: Delivering) -> None:
    d.producer.answers = False
    kept = d.accept(*(record(number, key=b"user_%d" % number) for number in range(40)))
    await until(lambda: len(d.producer.batches) == 6)
    for sent in d.producer.batches[:-1]:
        sent.acknowledged.set_result(None)
    await asyncio.sleep(0)
    assert not kept.done()
    d.producer.acknowledge()
    await kept


async def test_no_records_are_a_promise_that_is_kept(d: Delivering) -> None:
    await d.accept()


async def test_an_event_that_is_on_its_way_is_joined(d: Delivering) -> None:
    d.producer.answers = False
    first = d.accept(record(fingerprint=7))
    again = d.accept(record(fingerprint=7), record(1, fingerprint=8))
    await until(lambda: d.producer.batches)
    once_more = d.accept(record(fingerprint=7))
    assert not any(each.done() for each in (first, again, once_more))
    d.producer.acknowledge()
    await asyncio.gather(first, again, once_more)
    assert [int(written.value) for written in d.producer.written()] == [0, 1]


async def test_an_event_twice_in_a_request_is_one_record(d: Delivering) -> None:
    await d.accept(record(fingerprint=7), record(fingerprint=7))
    assert len(d.producer.written()) == 1


async def test_an_event_that_was_just_delivered_is_not_sent_again(d: Delivering) -> None:
    await d.accept(record(fingerprint=7))
    joined = REGISTRY.get_sample_value("clickstream_collector_events_joined_total") or 0
    await d.accept(record(fingerprint=7))
    assert REGISTRY.get_sample_value("clickstream_collector_events_joined_total") == joined + 1
    assert len(d.producer.written()) == 1


async def test_events_without_an_id_are_never_joined(d: Delivering) -> None:
    await d.accept(record(), record())
    await d.accept(record())
    assert len(d.producer.written()) == 3


async def test_a_client_that_stopped_waiting_costs_nothing(d: Delivering) -> None:
    d.producer.answers = False
    kept = d.accept(record(fingerprint=7))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await kept
    again = d.accept(record(fingerprint=7))
    d.producer.acknowledge()
    await again
    assert len(d.producer.written()) == 1


async def test_without_a_connection_nothing_is_taken(d: Delivering) -> None:
    d.delivery.connect(None)
    with pytest.raises(KafkaUnavailable, match="Kafka is away"):
        d.accept(record())
    assert d.delivery.in_flight == 0
    d.delivery.connect(d.producer)
    await d.accept(record())


async def test_for_a_topic_without_partitions_nothing_is_taken(d: Delivering) -> None:
    with pytest.raises(KafkaUnavailable, match="topic missing does not exist"):
        d.accept(record(), Record("missing", b"x"))
    assert d.delivery.in_flight == 0


async def test_a_request_is_taken_whole_or_not_at_all(d: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 10)

    d.producer.answers = False
    first = d.accept(*(record(number) for number in range(6)))
    with pytest.raises(KafkaUnavailable, match="6 events are on their way"):
        d.accept(*(record(number) for number in range(5)))
    assert d.delivery.in_flight == 6
    second = d.accept(*(record(number) for number in range(4)))
    for kept in (first, second):
        await until(lambda: d.producer.batches)
        d.producer.acknowledge()
        await asyncio.sleep(LINGER_S * 2)
        d.producer.acknowledge()
        await kept
    assert d.delivery.in_flight == 0
    d.producer.answers = True
    await d.accept(*(record(number) for number in range(10)))


async def test_bytes_in_flight_are_bounded_too(d: Delivering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 5000)

    d.producer.answers = False
    d.accept(record(size=2000), record(key=b"k" * 2000))
    with pytest.raises(KafkaUnavailable, match="no room for more"):
        d.accept(record(size=1000))
    d.accept(record(size=100))


async def test_who_waits_for_an_event_that_is_on_its_way_counts_towards_the_bound(
    d: Delivering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_EVENTS", 10)

    d.producer.answers = False
    waiting = [d.accept(record(fingerprint=7), record(fingerprint=7)) for _ in range(5)]
    with pytest.raises(KafkaUnavailable, match="no room for more"):
        d.accept(record(fingerprint=7))
    assert d.delivery.in_flight == 1
    await until(lambda: d.producer.batches)
    d.producer.acknowledge()
    d.producer.answers = True
    for kept in waiting:
        assert await kept == []
    await d.accept(*(record(number) for number in range(10)))


async def test_a_lane_that_is_stuck_takes_nothing_and_the_others_do(d: Delivering) -> None:
    by_partition = {murmur2(b"%d" % number) % 6: b"%d" % number for number in range(100)}
    stuck, free = by_partition[0], by_partition[1]

    d.producer.answers = False
    kept = d.accept(record(key=stuck, fingerprint=7))
    await until(lambda: d.producer.batches)
    d.producer.answers = True
    d.clock.now += STUCK_AFTER_S + 0.1
    assert d.delivery.waiting_for() == pytest.approx(STUCK_AFTER_S + 0.1)
    for refused in (record(key=stuck), record(key=stuck, fingerprint=7)):
        with pytest.raises(KafkaUnavailable, match="Kafka is slow: nothing acknowledged for 1.6 s"):
            d.accept(record(key=free), refused)
    assert d.delivery.in_flight == 1
    await d.accept(record(key=free))
    d.producer.acknowledge()
    await kept
    assert d.delivery.waiting_for() == 0
    await d.accept(record(key=stuck))


async def test_a_send_that_fails_is_made_again(
    d: Delivering, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_RETRY_PAUSE_S", 0.001)

    d.producer.errors = [KafkaConnectionError("gone"), AssertionError("unrecognized partition")]
    await d.accept(record())
    assert len(d.producer.written()) == 1
    assert "Retrying a batch for clickstream-events-" in caplog.text


async def test_a_producer_that_takes_nothing_any_more_is_replaced(d: Delivering) -> None:
    d.producer.errors = [ProducerClosed()]
    kept = d.accept(record())
    await until(lambda: d.failures)
    assert (d.failures, d.delivery.connected, kept.done()) == (1, False, False)
    d.delivery.connect(d.producer)
    await kept
    assert len(d.producer.written()) == 1


async def test_a_send_waits_for_the_connection(d: Delivering) -> None:
    kept = d.accept(record())
    d.delivery.connect(None)
    await asyncio.sleep(LINGER_S * 3)
    assert not kept.done()
    d.delivery.connect(d.producer)
    await kept
    assert len(d.producer.written()) == 1


async def test_a_refused_batch_is_told_and_the_producer_is_replaced(d: Delivering) -> None:
    d.producer.refusal = TopicAuthorizationFailedError()
    kept = d.accept(record(fingerprint=7))
    with pytest.raises(KafkaRefused, match="Kafka refuses records for topic clickstream-events: TopicAuthorization"):
        await kept
    assert (d.failures, d.delivery.in_flight, d.delivery.connected) == (1, 0, False)
    d.producer.refusal = None
    d.delivery.connect(d.producer)
    await d.accept(record(fingerprint=7))
    assert len(d.producer.written()) == 2


async def test_what_a_producer_that_ended_did_not_acknowledge_is_refused(d: Delivering) -> None:
    d.producer.answers = False
    kept = d.accept(record(fingerprint=7))
    await until(lambda: d.producer.batches)
    d.delivery.connect(None)
    d.delivery.give_up(d.producer)
    with pytest.raises(KafkaRefused, match="the connection for topic clickstream-events ended"):
        await kept
    d.producer.answers = True
    d.delivery.connect(d.producer)
    await d.accept(record(fingerprint=7))


async def test_a_refusal_reaches_all_whose_events_were_in_the_batch_and_no_others(d: Delivering) -> None:
    keys = [b"user_%d" % number for number in range(20)]

    d.producer.answers = False
    promises = [d.accept(record(key=key)) for key in keys]
    await until(lambda: len(d.producer.batches) == 6)
    refused = d.producer.batches[0]
    refused.acknowledged.set_exception(TopicAuthorizationFailedError())
    d.producer.acknowledge()
    found = await asyncio.gather(*promises, return_exceptions=True)
    told = [key for key, error in zip(keys, found, strict=True) if isinstance(error, KafkaRefused)]
    assert told == [written.key for written in refused.records]


def reconnecting(d: Delivering) -> None:
    """Have the producer replaced at once when it can't go on, by itself."""
    d.delivery._failed = lambda: d.delivery.connect(d.producer)


@pytest.mark.parametrize("place", range(9))
async def test_of_a_batch_with_a_record_that_is_too_large_only_that_record_is_left_out(
    d: Delivering, place: int
) -> None:
    sizes = [900 if number == place else 100 for number in range(9)]

    reconnecting(d)
    d.producer.max_message_bytes = 800
    kept = d.accept(*(record(number, size=size, fingerprint=number + 1) for number, size in enumerate(sizes)))
    others = [d.accept(record(100 + number, fingerprint=100 + number)) for number in range(3)]
    again = d.accept(record(place, size=900, fingerprint=place + 1))
    assert await kept == [place]
    assert await again == [0]
    assert await asyncio.gather(*others) == [[], [], []]
    assert d.delivery.in_flight == 0
    written = [int(each.value) for each in d.producer.written()]
    assert written == [*(number for number in range(9) if number != place), 100, 101, 102]
    assert {(each.timestamp, each.key) for each in d.producer.written()} == {(1_000_000, b"user")}


async def test_two_records_that_are_too_large_are_both_found(d: Delivering) -> None:
    reconnecting(d)
    d.producer.max_message_bytes = 800
    assert sorted(await d.accept(*(record(n, size=900 if n in (1, 6) else 10) for n in range(8)))) == [1, 6]
    assert [int(each.value) for each in d.producer.written()] == [0, 2, 3, 4, 5, 7]


async def test_batches_stay_as_small_as_the_topic_takes_them(d: Delivering) -> None:
    reconnecting(d)
    d.producer.max_message_bytes = 2500
    for _ in range(5):
        assert await d.accept(*(record(number, size=200) for number in range(50))) == []
    refused = d.delivery._most_batch_bytes[EVENTS]
    assert len(d.producer.written()) == 250
    assert 1000 < refused < 2 * 2500 + 50 * 200


async def test_a_repeat_joins_a_record_whose_batch_was_halved(d: Delivering) -> None:
    reconnecting(d)
    d.producer.max_message_bytes = 300
    d.producer.answers = False
    first = d.accept(record(1, size=200, fingerprint=1), record(2, size=200, fingerprint=2))
    await until(lambda: d.producer.batches)
    repeat = d.accept(record(2, size=200, fingerprint=2))
    assert d.delivery.in_flight == 2
    d.producer.answers = True
    d.producer.acknowledge()
    assert await first == await repeat == []
    assert [int(each.value) for each in d.producer.written()] == [1, 2]


async def test_a_drain_waits_for_what_is_in_flight(d: Delivering) -> None:
    d.producer.answers = False
    kept = d.accept(record())
    draining = asyncio.ensure_future(d.delivery.drain(10))
    await until(lambda: d.producer.batches)
    assert not draining.done()
    d.producer.acknowledge()
    assert await draining
    await kept


async def test_a_drain_ends_when_its_time_is_over(d: Delivering) -> None:
    d.producer.answers = False
    d.accept(record())
    draining = asyncio.ensure_future(d.delivery.drain(5))
    await asyncio.sleep(0)
    d.clock.now += 6
    assert not await draining
    assert d.delivery.in_flight == 1


async def test_accepted_and_acknowledged_are_counted(d: Delivering) -> None:
    def counted() -> list[float]:
        names = ("accepted", "acknowledged")
        return [REGISTRY.get_sample_value(f"clickstream_collector_events_{name}_total") or 0 for name in names]

    before = counted()

    await d.accept(*(record(number) for number in range(5)))
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [5, 5]
    assert REGISTRY.get_sample_value("clickstream_collector_events_in_flight") == 0
