"""What is counted in one window: in one partition while it runs, and merged over all partitions at its end.

`WindowCounts` is stage 1's, updated batch by batch. Its snapshots, `PartialCounts`, can be added up: `merged_metrics`
makes the window's metrics from the snapshots of all partitions, several of one partition included.

Whatever the events contain, a partial has at most MOST_PARTIAL_BYTES. Before a batch that may exceed this is counted,
the larger of the two maps of names becomes a sketch, and then the other: the rest is smaller even with MOST_EXACT_IDS
users and as many sessions, and with the largest number of types and devices that are counted by name.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from clickstream_core.events import CountedEvent, cut_name
from clickstream_core.timestamps import format_seconds
from clickstream_core.window_metrics import WindowMetrics
from clickstream_streams.frequent_names import LARGEST_NAME_BYTES
from clickstream_streams.sketches import (
    HASH_BYTES,
    CountedNames,
    DistinctIds,
    IdsSnapshot,
    NamesSnapshot,
    count_distinct,
    most_frequent,
    ordered,
)
from clickstream_streams.spans import Span

TOP_PAGES = 5
TOP_REFERRERS = 3

MOST_KINDS = 1000
"""Event types or devices of a window that are counted by name; all others are counted under OTHER."""

MOST_KINDS_SHOWN = 200
OTHER = "(other)"

MOST_AT_ONCE = 1_000
"""Events in a batch."""

MOST_EXACT_IDS = 125_000
"""The largest EXACT_LIMIT: more users and sessions would leave no room in a partial for the names' sketches."""

MOST_PARTIAL_BYTES = 4 * 1024 * 1024

_FRAME_BYTES = 512
"""Of a partial beside its maps and ids: the total, the sum of durations, the span, and the header of each part."""

_MOST_BEFORE_A_BATCH = MOST_PARTIAL_BYTES - _FRAME_BYTES - 2 * MOST_AT_ONCE * (LARGEST_NAME_BYTES + HASH_BYTES)
_KINDS_BYTES = (MOST_KINDS + 1) * LARGEST_NAME_BYTES
_SURELY_SMALL = (_MOST_BEFORE_A_BATCH - 2 * _KINDS_BYTES) // (2 * (LARGEST_NAME_BYTES + HASH_BYTES))
"""Events that leave room for a further batch, whatever they contain."""


class PartialCounts(msgspec.Struct, frozen=True, array_like=True):
    """One partition's share of a window. `duration_sum` is decimal text: a sum of milliseconds may pass 64 bits.

    `span` is None in partials of versions that wrote no receipts. Those versions ignore it.
    """

    total_events: int
    duration_sum: str
    event_types: dict[str, int]
    devices: dict[str, int]
    referrers: NamesSnapshot
    pages: NamesSnapshot
    users: IdsSnapshot
    sessions: IdsSnapshot
    span: Span | None = None

    def check_sketches(self) -> None:
        """Raise UnreadableSketch if `merged_metrics` would."""
        for part in (self.referrers, self.pages, self.users, self.sessions):
            part.check_sketch()


class Delta(NamedTuple):
    """What was counted exactly elsewhere; `users` and `sessions` are 64-bit hashes (`sketches.id_hashes`)."""

    total_events: int
    duration_sum: int
    event_types: Mapping[str, int]
    devices: Mapping[str, int]
    referrers: Mapping[str, int]
    pages: Mapping[str, int]
    users: "array[int]"
    sessions: "array[int]"

    def snapshot(self, span: Span | None = None) -> PartialCounts:
        """Return these counts, of the records of `span`; they must be within all limits."""
        return PartialCounts(
            self.total_events,
            str(self.duration_sum),
            dict(self.event_types),
            dict(self.devices),
            NamesSnapshot(counts=dict(self.referrers)),
            NamesSnapshot(counts=dict(self.pages)),
            IdsSnapshot(hashes=self.users.tobytes()),
            IdsSnapshot(hashes=self.sessions.tobytes()),
            span,
        )


class WindowCounts:
    """The running counts of one window in one partition.

    `exact_limit` is how many users, sessions, pages and referrers are counted exactly, at most MOST_EXACT_IDS.
    """

    __slots__ = (
        "_devices",
        "_duration",
        "_event_types",
        "_pages",
        "_referrers",
        "_sessions",
        "_total",
        "_users",
    )

    def __init__(self, exact_limit: int) -> None:
        self._total = 0
        self._duration = 0
        self._event_types = _Kinds()
        self._devices = _Kinds()
        self._referrers = CountedNames(exact_limit)
        self._pages = CountedNames(exact_limit)
        self._users = DistinctIds(exact_limit)
        self._sessions = DistinctIds(exact_limit)

    def add(self, events: Sequence[CountedEvent]) -> None:
        """Count the events, MOST_AT_ONCE at most."""
        self._make_room()
        self._total += len(events)
        self._duration += sum([event.duration_ms for event in events])
        self._event_types.update([event.event_type for event in events])
        self._devices.update([event.device_type for event in events])
        self._referrers.update([event.referrer for event in events])
        self._pages.update([event.page_url for event in events])
        self._users.update([event.user_id for event in events])
        self._sessions.update([event.session_id for event in events])

    def add_delta(self, delta: Delta) -> None:
        """Count what was counted elsewhere."""
        self._total += delta.total_events
        self._duration += delta.duration_sum
        self._event_types.update(delta.event_types)
        self._devices.update(delta.devices)
        longest = max(map(len, (delta.referrers, delta.pages, delta.users, delta.sessions)))
        referrers, pages = iter(delta.referrers.items()), iter(delta.pages.items())
        for first in range(0, longest, MOST_AT_ONCE):
            self._make_room()
            self._referrers.update(dict(islice(referrers, MOST_AT_ONCE)))
            self._pages.update(dict(islice(pages, MOST_AT_ONCE)))
            self._users.update_hashes(delta.users[first : first + MOST_AT_ONCE])
            self._sessions.update_hashes(delta.sessions[first : first + MOST_AT_ONCE])

    def _make_room(self) -> None:
        """Keep the partial below its bound, whatever the next batch contains."""
        if self._total <= _SURELY_SMALL or self._size_bytes() <= _MOST_BEFORE_A_BATCH:
            return
        larger, smaller = sorted((self._pages, self._referrers), key=lambda names: names.size_bytes, reverse=True)
        larger.estimate()
        if self._size_bytes() > _MOST_BEFORE_A_BATCH:
            smaller.estimate()

    def _size_bytes(self) -> int:
        parts = (self._pages, self._referrers, self._users, self._sessions, self._event_types, self._devices)
        return sum([part.size_bytes for part in parts])

    @property
    def approximate(self) -> bool:
        """Whether a limit was passed and a sketch counts."""
        return any(part.approximate for part in (self._users, self._sessions, self._pages, self._referrers))

    def snapshot(self, span: Span | None = None) -> PartialCounts:
        """Return the counts so far, of the records of `span`."""
        return PartialCounts(
            self._total,
            str(self._duration),
            self._event_types.counts(),
            self._devices.counts(),
            self._referrers.snapshot(),
            self._pages.snapshot(),
            self._users.snapshot(),
            self._sessions.snapshot(),
            span,
        )


class _Kinds:
    """Counts under few names; those beyond the first MOST_KINDS are counted as OTHER."""

    __slots__ = ("_counts", "_others")

    size_bytes = _KINDS_BYTES

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._others = 0

    def update(self, names: Iterable[str] | Mapping[str, int]) -> None:
        self._counts.update(names)
        while len(self._counts) > MOST_KINDS:
            self._others += self._counts.popitem()[1]

    def counts(self) -> dict[str, int]:
        return {**self._counts, OTHER: self._counts[OTHER] + self._others} if self._others else dict(self._counts)


def merged_metrics(window: int, end: int, partials: Sequence[PartialCounts], revision: int = 0) -> WindowMetrics:
    """Return the metrics of the window [window, end), in milliseconds, from all its partials."""
    total = sum(partial.total_events for partial in partials)
    duration = sum(int(partial.duration_sum) for partial in partials)
    users, users_estimated = count_distinct([partial.users for partial in partials])
    sessions, sessions_estimated = count_distinct([partial.sessions for partial in partials])
    referrers, referrers_estimated = most_frequent([partial.referrers for partial in partials], TOP_REFERRERS)
    pages, pages_estimated = most_frequent([partial.pages for partial in partials], TOP_PAGES)
    return WindowMetrics(
        window_start=format_seconds(window),
        window_end=format_seconds(end),
        total_events=total,
        unique_users=users,
        unique_sessions=sessions,
        event_types=_shown([partial.event_types for partial in partials]),
        devices=_shown([partial.devices for partial in partials]),
        top_referrers=referrers,
        top_pages=pages,
        avg_duration_ms=duration // total if total else 0,
        revision=revision,
        approximate=users_estimated or sessions_estimated or referrers_estimated or pages_estimated,
    )


def _shown(kinds: Sequence[dict[str, int]]) -> dict[str, int]:
    """Return the summed counts, bounded so that a metrics record stays below 1 MiB."""
    counts: Counter[str] = Counter()
    for partial in kinds:
        for name, count in partial.items():
            counts[cut_name(name)] += count
    if len(counts) <= MOST_KINDS_SHOWN:
        return ordered(counts)
    shown = ordered(counts, MOST_KINDS_SHOWN - 1)
    return ordered({**shown, OTHER: shown.get(OTHER, 0) + counts.total() - sum(shown.values())})
