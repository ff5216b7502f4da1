"""One generating process: connect, then send the events that are due, every few milliseconds.

The same loop runs in the command's own process or, at high rates, in several; a `Control` is its environment.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clickstream_core.errors import SettingsError
from clickstream_core.events import encode_event
from clickstream_kafka.errors import KafkaRefused
from clickstream_kafka.library_errors import LibraryErrors
from clickstream_producer.access_logs import TrackedShop, encode_access_log
from clickstream_producer.kafka_client import connect
from clickstream_producer.pacing import TICK_S, Pace
from clickstream_producer.progress import Progress
from clickstream_producer.sender import Sender, in_flight_bound
from clickstream_producer.settings import ProducerSettings
from clickstream_producer.users import Crowd
from clickstream_producer.weblogs import WebServer, encode_web_log

SENDING_GRACE_S = 7.5
"""After a request to stop, for Kafka to acknowledge what is in flight; stopping may take 10 s in all."""

_REPORT_INTERVAL_S = 0.2
_CATCH_UP_S = 0.5

Record = tuple[bytes | None, bytes]


@dataclass(frozen=True)
class Share:
    """The part of the load that a process generates: part `index` of `count`, with a common seed."""

    index: int
    count: int
    seed: int


class Control(Protocol):
    """The environment of a generating process."""

    def report(self, progress: Progress) -> None:
        """Report the progress; the last one is `finished`."""

    def wait_for_start(self) -> float | None:
        """Report that the process is connected; return when the run starts (time.monotonic), or None to stop."""

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds`; return whether to stop."""


def generate(settings: ProducerSettings, share: Share, control: Control) -> None:
    """Generate this share of the load until its duration is over, `control` stops it, or Kafka refuses."""
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
    sender = Sender(producer, settings.topic, library_errors, bound=bound, clock=time.monotonic)
    _run(settings, share, control, source, sender, start)
    _finish(control, sender)
    final = sender.progress(finished=True, error=sender.failure)
    sender.close()
    control.report(final)


def record_source(settings: ProducerSettings, share: Share) -> Callable[[int], Record]:
    """Return the function that returns the next record's key and value for a time in milliseconds."""
    if settings.kind == "weblog":
        server = WebServer(seed=share.seed, share=share.index)
        return lambda now: (None, encode_web_log(server.next_log(now)))
    if settings.kind == "access-log":
        return _access_logs(settings, share)
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


def _access_logs(settings: ProducerSettings, share: Share) -> Callable[[int], Record]:
    shop = TrackedShop(seed=share.seed, members=settings.users, scenarios=settings.scenario_ids, share=share.index)
    path = settings.access_log_file
    # A descriptor, which is open as long as the process: lines of several processes are appended whole.
    file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def next_record(now: int) -> Record:
        log = shop.next_log(now)
        line = encode_access_log(log)
        if file is not None:
            try:
                os.write(file, line + b"\n")
            except OSError as error:
                raise SettingsError(f"ACCESS_LOG_FILE={path}: can't be written any more ({error.strerror})") from error
        return log.request_id.encode(), line

    return next_record


def _run(
    settings: ProducerSettings,
    share: Share,
    control: Control,
    source: Callable[[int], Record],
    sender: Sender,
    start: float,
) -> None:
    # The processes take turns, so that their events together are as evenly spread as those of one.
    pace = Pace(settings.rate / share.count, start + share.index / settings.rate)
    end = float("inf") if settings.duration is None else start + settings.duration / 1000
    record: Record | None = None
    report_at = 0.0
    while not control.wait(TICK_S) and not sender.failure:
        now = time.monotonic()
        room = sender.room()
        due = pace.due(min(now, end)) if room else 0
        wall = time.time_ns() // 1_000_000
        for _ in range(min(due, room)):
            record = record or source(wall)
            if not sender.send(*record):
                break
            record = None
            pace.take(1)
        if now >= report_at:
            control.report(sender.progress())
            report_at = now + _REPORT_INTERVAL_S
        if now >= end and (due == 0 or now >= end + _CATCH_UP_S):
            return


def _finish(control: Control, sender: Sender) -> None:
    deadline = None
    while sender.in_flight and not sender.failure:
        sender.drain(_REPORT_INTERVAL_S)
        control.report(sender.progress())
        now = time.monotonic()
        if control.wait(TICK_S) and deadline is None:
            deadline = now + SENDING_GRACE_S
        if deadline is not None and now >= deadline:
            return
    # The client's thread refuses the remaining batches one by one.
    if sender.failure:
        sender.drain(1.0)
