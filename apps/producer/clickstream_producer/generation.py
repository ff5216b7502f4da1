"""One generating process: connect, then hand over the events that are due, every few milliseconds.

The same loop runs in the command's own process and, at high rates, in several; what surrounds it is a `Control`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clickstream_core.events import encode_event
from clickstream_kafka.errors import KafkaRefused
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_producer.connection import connect
from clickstream_producer.delivery import Delivery, in_flight_bound
from clickstream_producer.pacing import TICK, Pace
from clickstream_producer.progress import Progress
from clickstream_producer.settings import ProducerSettings
from clickstream_producer.users import Crowd
from clickstream_producer.weblogs import WebServer, encode_web_log

GRACE = 7.5
"""Seconds after a request to stop in which Kafka may acknowledge what is in flight; all of it shall take 10 at most."""

_BETWEEN_REPORTS = 0.2
_TURNS_AFTER_THE_END = 0.5

Record = tuple[bytes | None, bytes]


@dataclass(frozen=True)
class Share:
    """Which part of the load a process generates: part `index` of `count`, under one seed."""

    index: int
    count: int
    seed: int


class Control(Protocol):
    """What surrounds a generating process."""

    def report(self, progress: Progress) -> None:
        """Take note of how far the process has come; the last one is `finished`."""

    def wait_for_start(self) -> float | None:
        """Say that the process is connected; return when the run starts (time.monotonic), None to give up."""

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return whether the process shall stop."""


def generate(settings: ProducerSettings, share: Share, control: Control) -> None:
    """Generate this share of the load until the duration is over, or `control` asks to stop, or Kafka refuses."""
    source = record_source(settings, share)
    library_errors = LibraryErrors()
    try:
        producer = connect(
            settings,
            library_errors,
            waiting=lambda why: control.report(Progress(why=why)),
            stopped=control.wait,
        )
    except KafkaRefused as error:
        control.report(Progress(finished=True, error=str(error)))
        return
    bound = -(-in_flight_bound(settings.rate) // share.count)
    start = None if producer is None else control.wait_for_start()
    if producer is None or start is None:
        control.report(Progress(finished=True))
        return
    delivery = Delivery(producer, settings.topic, library_errors, bound=bound, clock=time.monotonic)
    _run(settings, share, control, source, delivery, start)
    _finish(control, delivery)
    final = delivery.progress(finished=True, error=delivery.failure)
    delivery.close()
    control.report(final)


def record_source(settings: ProducerSettings, share: Share) -> Callable[[int], Record]:
    """Return the function that makes the next record's key and value, given the time in milliseconds."""
    if settings.kind == "weblog":
        server = WebServer(seed=share.seed, share=share.index)
        return lambda now: (None, encode_web_log(server.next_log(now)))
    crowd = Crowd(
        seed=share.seed,
        users=settings.users,
        rate=settings.rate / share.count,
        share=share.index,
        shares=share.count,
    )

    def next_record(now: int) -> Record:
        event = crowd.next_event(now)
        return event.user_id.encode(), encode_event(event)

    return next_record


def _run(
    settings: ProducerSettings,
    share: Share,
    control: Control,
    source: Callable[[int], Record],
    delivery: Delivery,
    start: float,
) -> None:
    # The processes take turns, so that together they are as even as one.
    pace = Pace(settings.rate / share.count, start + share.index / settings.rate)
    end = float("inf") if settings.duration is None else start + settings.duration / 1000
    record: Record | None = None
    report_at = 0.0
    while not control.wait(TICK) and not delivery.failure:
        now = time.monotonic()
        room = delivery.room()
        due = pace.due(min(now, end)) if room else 0
        wall = time.time_ns() // 1_000_000
        for _ in range(min(due, room)):
            record = record or source(wall)
            if not delivery.send(*record):
                break
            record = None
            pace.take(1)
        if now >= report_at:
            control.report(delivery.progress())
            report_at = now + _BETWEEN_REPORTS
        if now >= end and (due == 0 or now >= end + _TURNS_AFTER_THE_END):
            return


def _finish(control: Control, delivery: Delivery) -> None:
    deadline = None
    while delivery.in_flight and not delivery.failure:
        delivery.drain(_BETWEEN_REPORTS)
        control.report(delivery.progress())
        now = time.monotonic()
        if control.wait(TICK) and deadline is None:
            deadline = now + GRACE
        if deadline is not None and now >= deadline:
            return
    # The client's thread refuses the remaining batches one by one.
    if delivery.failure:
        delivery.drain(1.0)
