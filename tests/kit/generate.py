"""Event streams as disordered as real ones, the same for the same seed.

Events arrive evenly over the stream's span; the record timestamp is the arrival. Each event's own time is up to
`disorder_ms` before its arrival, so a stream is out of order within that bound. Some are far behind (late), some far
ahead (future), some are no events at all. Partitions are random, so every user is in several of them.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kit.events import event_value, invalid_values
from kit.topics import ToSend

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVENT_TYPES = ("page_view", "click", "search", "add_to_cart", "purchase")
_DEVICES = ("mobile", "desktop", "tablet")
_REFERRERS = ("google.com", "x.com", "email", "direct", "reddit.com")
_PAGES = tuple(f"/products/{number}" for number in range(12))


@dataclass(frozen=True)
class Shape:
    """The properties of a stream. All times in milliseconds; `start_ms` since the epoch.

    `quiet` partitions get events only in the first third of the span, `empty` ones never. `late_ms` is how far the late
    ones lie behind and `future_ms` how far the future ones lie ahead of their arrival.
    """

    start_ms: int
    span_ms: int = 120_000
    events: int = 3000
    partitions: int = 6
    users: int = 200
    disorder_ms: int = 4000
    late: int = 30
    late_ms: int = 600_000
    future: int = 20
    future_ms: int = 600_000
    malformed: int = 100
    quiet: frozenset[int] = frozenset()
    empty: frozenset[int] = frozenset()


def generate(shape: Shape, seed: int) -> list[ToSend]:
    """The stream's records in the order of their arrival, with partition and record timestamp set."""
    draw = random.Random(seed)
    kinds = ["event"] * shape.events + ["late"] * shape.late + ["future"] * shape.future
    kinds += ["malformed"] * shape.malformed
    draw.shuffle(kinds)
    broken = [each for each in invalid_values(_datetime(shape.start_ms)) if each.reason != "future"]
    records = []
    for number, kind in enumerate(kinds):
        arrival = shape.start_ms + shape.span_ms * number // len(kinds)
        partition = _partition(shape, draw, number < len(kinds) // 3)
        user = draw.randrange(shape.users)
        value: bytes | None
        if kind == "malformed":
            value = draw.choice(broken).value
        else:
            moved = {"late": -shape.late_ms, "future": shape.future_ms}.get(kind, 0)
            value = _event(draw, user, arrival - draw.randint(0, shape.disorder_ms) + moved)
        records.append(ToSend(value, key=f"user_{user}".encode(), partition=partition, timestamp=arrival))
    return records


def _partition(shape: Shape, draw: random.Random, early: bool) -> int:
    silent = shape.empty if early else shape.empty | shape.quiet
    return draw.choice([each for each in range(shape.partitions) if each not in silent])


def _event(draw: random.Random, user: int, time_ms: int) -> bytes:
    return event_value(
        _datetime(time_ms),
        event_id=f"{draw.getrandbits(128):032x}",
        user_id=f"user_{user}",
        session_id=f"sess_{user}_{draw.randrange(4)}",
        event_type=draw.choices(_EVENT_TYPES, weights=(50, 25, 12, 9, 4))[0],
        page_url=draw.choices(_PAGES, weights=range(len(_PAGES), 0, -1))[0],
        referrer=draw.choice(_REFERRERS),
        device_type=draw.choice(_DEVICES),
        duration_ms=draw.randrange(10_000),
    )


def _datetime(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)
