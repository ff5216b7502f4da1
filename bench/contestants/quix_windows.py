"""Quix Streams with its own tumbling windows: state per user and window in RocksDB, recovered from a changelog topic.

Quix windows belong to a key, here the user. A user's closed windows are added up over all users in memory, and a
window's sum is written when every partition has passed it.
"""

from datetime import datetime
from typing import Any

from quixstreams import Application, message_context  # type: ignore[import-not-found]

from job import PARTITIONS, WINDOW_SECONDS, Job, Progress, read_job
from tally import Tally, window_start

_MAPS = ("event_types", "devices", "referrers", "pages")
_FIELDS = ("event_type", "device_type", "referrer", "page_url")


def first(event: dict[str, Any]) -> dict[str, Any]:
    """The state of a user's window after its first event; sets are lists, because state is JSON."""
    state: dict[str, Any] = {"total": 0, "duration": 0, "user": event["user_id"], "sessions": []}
    return following({**state, **{name: {} for name in _MAPS}}, event)


def following(state: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """The state after another event."""
    state["total"] += 1
    state["duration"] += event["duration_ms"]
    if event["session_id"] not in state["sessions"]:
        state["sessions"].append(event["session_id"])
    for name, field in zip(_MAPS, _FIELDS, strict=True):
        counts = state[name]
        counts[event[field]] = counts.get(event[field], 0) + 1
    return state


class Sums:
    """The users' windows added up. A window is complete when every event that was seen of it has come back."""

    def __init__(self) -> None:
        self._open: dict[int, Tally] = {}
        self._seen: dict[int, int] = {}
        self._newest = dict.fromkeys(range(PARTITIONS), 0)

    def see(self, event: dict[str, Any], partition: int) -> None:
        """Take note of an event on its way into its window."""
        start = window_start(event["timestamp"])
        self._seen[start] = self._seen.get(start, 0) + 1
        self._newest[partition] = max(self._newest[partition], start)

    def add(self, closed: dict[str, Any]) -> list[bytes]:
        """Add a user's window; return the window's result when it is the last one."""
        start, state = closed["start"] // 1000, closed["value"]
        part = Tally()
        part.total, part.duration = state["total"], state["duration"]
        part.users, part.sessions = {state["user"]}, set(state["sessions"])
        for name in _MAPS:
            setattr(part, name, state[name])
        tally = self._open.setdefault(start, Tally())
        tally.merge(part)
        if tally.total < self._seen[start] or min(self._newest.values()) < start + WINDOW_SECONDS:
            return []
        return [self._open.pop(start).result(start)]


def count(job: Job) -> None:
    """Run until the process is told to end."""
    app = Application(
        broker_address=job.bootstrap_servers,
        consumer_group=job.group_id,
        auto_offset_reset="earliest",
        loglevel="WARNING",
        state_dir=job.state_dir,
    )

    def event_time(event: dict[str, Any], *_: Any) -> int:
        return int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)

    source = app.topic(job.source, value_deserializer="json", timestamp_extractor=event_time)
    sink = app.topic(job.sink, value_serializer="bytes", key_serializer="bytes")
    sums, progress = Sums(), Progress(job.events)
    counted = 0

    def follow(event: dict[str, Any]) -> None:
        nonlocal counted
        counted += 1
        if counted == progress.due:
            progress.tell(counted)
        sums.see(event, message_context().partition)

    windows = (
        app.dataframe(source)
        .update(follow)
        .tumbling_window(WINDOW_SECONDS * 1000, grace_ms=5000)
        .reduce(reducer=following, initializer=first)
        .final(closing_strategy="partition")
    )
    windows.apply(sums.add, expand=True).to_topic(sink, key=lambda value: b"window")
    app.run()


if __name__ == "__main__":
    count(read_job())
