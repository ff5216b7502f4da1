"""The hand-written maps and sets with which the Python peers count: dicts in, one JSON object out.

The result is that of the processor without `revision` and `approximate`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from job import PARTITIONS, WINDOW_SECONDS

_from_iso = datetime.fromisoformat


class Tally:
    """The running numbers of one window."""

    __slots__ = ("devices", "duration", "event_types", "pages", "referrers", "sessions", "total", "users")

    def __init__(self) -> None:
        self.total = 0
        self.duration = 0
        self.users: set[str] = set()
        self.sessions: set[str] = set()
        self.event_types: dict[str, int] = {}
        self.devices: dict[str, int] = {}
        self.referrers: dict[str, int] = {}
        self.pages: dict[str, int] = {}

    def add(self, event: dict[str, Any]) -> None:
        """Count one event."""
        self.total += 1
        self.duration += event["duration_ms"]
        self.users.add(event["user_id"])
        self.sessions.add(event["session_id"])
        name = event["event_type"]
        self.event_types[name] = self.event_types.get(name, 0) + 1
        name = event["device_type"]
        self.devices[name] = self.devices.get(name, 0) + 1
        name = event["referrer"]
        self.referrers[name] = self.referrers.get(name, 0) + 1
        name = event["page_url"]
        self.pages[name] = self.pages.get(name, 0) + 1

    def merge(self, other: "Tally") -> None:
        """Add the numbers of another part of the same window."""
        self.total += other.total
        self.duration += other.duration
        self.users |= other.users
        self.sessions |= other.sessions
        for mine, theirs in (
            (self.event_types, other.event_types),
            (self.devices, other.devices),
            (self.referrers, other.referrers),
            (self.pages, other.pages),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count

    def result(self, start: int) -> bytes:
        """The window's record; `start` in seconds since the epoch."""
        return json.dumps(
            {
                "window_start": _iso(start),
                "window_end": _iso(start + WINDOW_SECONDS),
                "total_events": self.total,
                "unique_users": len(self.users),
                "unique_sessions": len(self.sessions),
                "event_types": self.event_types,
                "devices": self.devices,
                "top_referrers": _top(self.referrers, 3),
                "top_pages": _top(self.pages, 5),
                "avg_duration_ms": self.duration // self.total,
            }
        ).encode()


class Windows:
    """Tumbling windows in event time over all partitions, in the memory of one process, without recovery.

    Partitions are in order within two seconds, so a partition is done with a window when it has seen the one after the
    next; when all are, the window closes.
    """

    def __init__(self) -> None:
        self._open: dict[int, Tally] = {}
        self._newest = dict.fromkeys(range(PARTITIONS), 0)

    def add(self, event: dict[str, Any], partition: int) -> Iterable[bytes]:
        """Count the event; return the results of the windows that it closes, mostly none."""
        second = int(_from_iso(event["timestamp"]).timestamp())
        start = second - second % WINDOW_SECONDS
        tally = self._open.get(start)
        if tally is None:
            tally = self._open[start] = Tally()
        tally.add(event)
        if start > self._newest[partition]:
            self._newest[partition] = start
            return self._close()
        return ()

    def _close(self) -> list[bytes]:
        done = min(self._newest.values()) - 2 * WINDOW_SECONDS
        return [self._open.pop(start).result(start) for start in sorted(self._open) if start <= done]


def window_start(timestamp: str) -> int:
    """The window's start, in seconds since the epoch, of an RFC 3339 timestamp."""
    second = int(_from_iso(timestamp).timestamp())
    return second - second % WINDOW_SECONDS


def _top(counts: dict[str, int], most: int) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most])


def _iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
