"""The events that all contestants count, and the expected results.

The events are those of the producer's simulated users, 5,000 of them, the same for the same number of events: one
record of about 300 bytes after the other, at even distances over twenty minutes of event time (forty windows of 30 s),
each up to two seconds behind its place, so that the stream is slightly out of order. They are kept in a file of lines
`user_id <tab> event`. The record timestamps are the time of loading: event time lies in the past, so nothing is
`future`, and no event is late.

Each partition ends with one more record ten minutes later, so that no processor has to wait for a clock to close the
last window; windows from that time on do not count.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_core.events import Event, encode_event
from clickstream_core.timestamps import format_milliseconds, format_seconds
from clickstream_producer.users import Crowd, RandomIds
from workspace import KEPT

PARTITIONS = 6
WINDOW_SIZE = 30_000
WINDOWS = 40
USERS = 5000
SEED = 20241026
DISORDER = 2_000

_START = 1_761_474_600_000
_SPAN = WINDOWS * WINDOW_SIZE - DISORDER
_END = _START + WINDOWS * WINDOW_SIZE
FLUSH = _END + 600_000
"""Event time of the record that ends each partition."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A number of events on disk; `expected` are the metrics by window_start."""

    events: int
    lines: Path
    expected: dict[str, dict[str, Any]]

    @property
    def records(self) -> int:
        """Records in a topic with this data set: the events and one more for each partition."""
        return self.events + PARTITIONS


def prepare(events: int) -> Dataset:
    """Generate the data set if it is missing."""
    lines, expected = KEPT / f"events-{events}.tsv", KEPT / f"expected-{events}.json"
    if not expected.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        print(f"Generating {events:,} events", flush=True)
        expected.write_text(json.dumps(_generate(events, lines)), encoding="utf-8")
    return Dataset(events, lines, json.loads(expected.read_text(encoding="utf-8")))


def flush_records() -> Iterator[tuple[int, bytes, bytes]]:
    """Partition, key and value of the records that end the partitions."""
    for partition in range(PARTITIONS):
        user = f"flush_{partition}"
        event = Event(
            event_id=f"00000000-0000-4000-8000-{partition:012}",
            timestamp=format_milliseconds(FLUSH),
            user_id=user,
            session_id=f"sess_{partition:012}",
            event_type="page_view",
            page_url="/",
            page_category="home",
            referrer="direct",
            device_type="desktop",
            country="US",
            duration_ms=0,
        )
        yield partition, user.encode(), encode_event(event)


def _generate(events: int, lines: Path) -> dict[str, dict[str, Any]]:
    draw = random.Random(SEED)
    crowd = Crowd(seed=SEED, users=USERS, rate=events * 1000 / _SPAN, ids=RandomIds(random.Random(SEED)))
    counted: dict[int, _Window] = {}
    with lines.open("wb") as out:
        for number in range(events):
            # The jitter goes back by up to DISORDER, so the stream begins that much after its first window.
            time = _START + DISORDER + _SPAN * number // events - draw.randrange(DISORDER)
            event = crowd.next_event(time)
            out.write(event.user_id.encode() + b"\t" + encode_event(event) + b"\n")
            counted.setdefault(time - time % WINDOW_SIZE, _Window()).count(event)
    return {format_seconds(start): window.metrics(start) for start, window in sorted(counted.items())}


class _Window:
    """The simplest way to count, with which all results are compared."""

    def __init__(self) -> None:
        self._total = self._duration = 0
        self._users: set[str] = set()
        self._sessions: set[str] = set()
        self._event_types: Counter[str] = Counter()
        self._devices: Counter[str] = Counter()
        self._referrers: Counter[str] = Counter()
        self._pages: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        self._total += 1
        self._duration += event.duration_ms
        self._users.add(event.user_id)
        self._sessions.add(event.session_id)
        self._event_types[event.event_type] += 1
        self._devices[event.device_type] += 1
        self._referrers[event.referrer] += 1
        self._pages[event.page_url] += 1

    def metrics(self, start: int) -> dict[str, Any]:
        return {
            "window_start": format_seconds(start),
            "window_end": format_seconds(start + WINDOW_SIZE),
            "total_events": self._total,
            "unique_users": len(self._users),
            "unique_sessions": len(self._sessions),
            "event_types": self._event_types,
            "devices": self._devices,
            "top_referrers": _top(self._referrers, 3),
            "top_pages": _top(self._pages, 5),
            "avg_duration_ms": self._duration // self._total,
        }


def _top(counts: Counter[str], most: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])
