"""Recounts the events topic without any of the pipeline's code, and compares.

The whole events topic is read, without the records in the dead letters (by source partition and offset). The rest is
counted per window with nothing but the standard library. The metrics topic must hold the same numbers in the last
revision of each window, and no other windows. The receipt of each must name the records that were counted here.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from kit.receipts import Receipt, expected_receipt, receipt_differences, receipt_of, refusals_of
from kit.topics import Message

_FIELDS = (
    "total_events",
    "unique_users",
    "unique_sessions",
    "event_types",
    "devices",
    "top_referrers",
    "top_pages",
    "avg_duration_ms",
)
_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):?(\d\d))", flags=re.ASCII
)
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_EPOCH_DAY = datetime(1970, 1, 1).toordinal()

Numbers = dict[str, object]
"""A window's metrics by field name, as in the JSON record; maps in the order of the record."""


class RecordedTopics(Protocol):
    """Three topics, their names and records, wherever they are, and the processor that works on them."""

    @property
    def events(self) -> str: ...

    @property
    def metrics(self) -> str: ...

    @property
    def dead_letters(self) -> str: ...

    @property
    def group_id(self) -> str:
        """The group of the processor whose results and dead letters are read."""
        ...

    def read(self, topic: str, isolation: str) -> list[Message]:
        """The topic's records, by partition and offset."""
        ...


@dataclass(frozen=True)
class Result:
    """A metrics record: the last revision of a window."""

    window_start: str
    window_end: str
    revision: int
    approximate: bool
    numbers: Numbers
    receipt: object
    """As JSON has it; None without the header."""


@dataclass(frozen=True)
class Counted:
    """What was counted offline in a window: the numbers, and the receipt that a result must have."""

    numbers: Numbers
    receipt: Receipt


def count_offline(topics: RecordedTopics, window_seconds: int, by_arrival: bool = False) -> dict[str, Numbers]:
    """The expected numbers of each window, by window_start.

    `by_arrival` counts an event at its record timestamp instead of its own time. Raises AssertionError for a record
    that is in no dead letter though it is not a valid event.
    """
    counted = count_with_receipts(topics, window_seconds, by_arrival)
    return {start: each.numbers for start, each in counted.items()}


def count_with_receipts(topics: RecordedTopics, window_seconds: int, by_arrival: bool = False) -> dict[str, Counted]:
    """As `count_offline`, with the receipts."""
    dead = read_dead_letters(topics)
    refusals = refusals_of(dead)
    windows: dict[int, list[dict[str, object]]] = defaultdict(list)
    offsets: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for message in topics.read(topics.events, "read_uncommitted"):
        if (message.partition, message.offset) in dead:
            continue
        event, seconds = _event(message)
        if by_arrival:
            seconds = message.timestamp // 1000
        start = seconds // window_seconds * window_seconds
        windows[start].append(event)
        offsets[start][message.partition].append(message.offset)
    return {
        _instant(start): Counted(_numbers(events), expected_receipt(offsets[start], refusals))
        for start, events in sorted(windows.items())
    }


def read_dead_letters(topics: RecordedTopics) -> dict[tuple[int, int], Message]:
    """The group's dead letters by (source partition, source offset); the collector's have none, they were no events.

    Raises AssertionError if a record is there twice, or differs from its source in value or key.
    """
    sources = {(each.partition, each.offset): each for each in topics.read(topics.events, "read_uncommitted")}
    found: dict[tuple[int, int], Message] = {}
    for letter in topics.read(topics.dead_letters, "read_committed"):
        if letter.header("app") == "clickstream-collector" or _group(letter) != topics.group_id:
            continue
        place = (int(letter.header("source-partition")), int(letter.header("source-offset")))
        assert letter.header("source-topic") == topics.events, f"dead letter of {place} names another topic"
        assert letter.header("error"), f"dead letter of {place} has no error text"
        assert letter.header("app"), f"dead letter of {place} does not say which app wrote it"
        assert place not in found, f"record {place} is in the dead letters twice"
        assert place in sources, f"dead letter of {place}: there is no such record"
        same = (letter.value, letter.key) == (sources[place].value, sources[place].key)
        assert same, f"dead letter of {place} differs from the record"
        found[place] = letter
    return found


def read_metrics(topics: RecordedTopics) -> dict[str, Result]:
    """The last revision of each window by the group's processor, by window_start.

    Raises AssertionError if a (window, revision) is there twice, if the revisions of a window are not 0, 1, 2, … in
    the order in which they were written, or if the key is not window_start.
    """
    revisions: dict[str, list[Result]] = defaultdict(list)
    for message in topics.read(topics.metrics, "read_committed"):
        if _group(message) != topics.group_id:
            continue
        record = json.loads(message.value or b"null")
        assert (message.key or b"").decode() == record["window_start"], f"key {message.key!r} of {record}"
        numbers = {name: record[name] for name in _FIELDS}
        start, end = record["window_start"], record["window_end"]
        receipt = receipt_of(message)
        revisions[start].append(Result(start, end, record["revision"], record["approximate"], numbers, receipt))
    for start, results in revisions.items():
        numbered = [each.revision for each in results]
        assert numbered == list(range(len(results))), f"window {start}: revisions {numbered}"
    return {start: results[-1] for start, results in sorted(revisions.items())}


def assert_equal_to_offline_count(
    topics: RecordedTopics, window_seconds: int, by_arrival: bool = False
) -> dict[str, Result]:
    """Compare the topics' metrics with the offline count; returns the metrics.

    Raises AssertionError with each field that differs, and if there is nothing to compare.
    """
    expected = count_with_receipts(topics, window_seconds, by_arrival)
    found = read_metrics(topics)
    assert expected, f"{topics.events} holds no event that should be counted"
    differences = [f"window {start}: there are no events for it" for start in found if start not in expected]
    for start, counted in expected.items():
        result = found.get(start)
        if result is None:
            differences.append(f"window {start}: no metrics, expected {counted.numbers['total_events']} events")
            continue
        differences.extend(differences_from(result, counted.numbers))
        differences.extend(f"window {start}: {each}" for each in receipt_differences(result.receipt, counted.receipt))
        end = _instant(_seconds(start) + window_seconds)
        if result.window_end != end:
            differences.append(f"window {start}: window_end is {result.window_end}, expected {end}")
    assert not differences, f"{len(differences)} differences from the offline count:\n" + "\n".join(differences)
    return found


def differences_from(result: Result, numbers: Numbers) -> list[str]:
    """Each field of the result that is not as counted offline, in words."""
    differences = [
        f"window {result.window_start} (revision {result.revision}): {name} is {_shown(result.numbers[name])}, "
        f"counted offline {_shown(numbers[name])}"
        for name in _FIELDS
        if _shown(result.numbers[name]) != _shown(numbers[name])
    ]
    if result.approximate:
        differences.append(f"window {result.window_start}: marked as approximate, compare it with tolerance")
    return differences


def _group(message: Message) -> str:
    """The group whose processor wrote the record."""
    groups = [value.decode() for name, value in message.headers if name == "group"]
    return groups[0] if groups else "clickstream-processor"


def _shown(value: object) -> str:
    """As JSON text: unlike == for dicts it sees the order of a map."""
    return json.dumps(value, ensure_ascii=False)


def _event(message: Message) -> tuple[dict[str, object], int]:
    """The event and its time in seconds since the epoch."""
    where = f"record {message.partition}@{message.offset} is not in the dead letters, though"
    try:
        event = json.loads((message.value or b"").decode())
    except (ValueError, RecursionError) as error:
        raise AssertionError(f"{where} it is not JSON: {error}") from error
    assert isinstance(event, dict), f"{where} it is no object"
    for name in ("timestamp", "user_id", "session_id", "event_type", "page_url", "referrer", "device_type"):
        assert isinstance(event.get(name), str), f"{where} {name} is {event.get(name)!r:.100}"
        event[name] = _HALF_A_PAIR.sub("\ufffd", event[name])
    duration = event.get("duration_ms")
    if isinstance(duration, float) and duration.is_integer():
        duration = event["duration_ms"] = int(duration)
    assert type(duration) is int, f"{where} duration_ms is {duration!r:.100}"
    assert duration >= 0, f"{where} duration_ms is negative: {duration}"
    return event, _seconds(event["timestamp"])


def _seconds(text: str) -> int:
    """Whole seconds since the epoch of an RFC 3339 timestamp (a window begins and ends on a whole second)."""
    found = _RFC_3339.fullmatch(text)
    assert found, f"not an RFC 3339 timestamp with an offset: {text!r:.100}"
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        days = datetime(year, month, day, hour, minute, second).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise AssertionError(f"not a point in time: {text!r:.100}: {error}") from error
    offset = 0
    if found[7]:
        offset = int(found[8]) * 3600 + int(found[9]) * 60
        offset = -offset if found[7] == "-" else offset
    return days * 86_400 + hour * 3600 + minute * 60 + second - offset


def _numbers(events: list[dict[str, object]]) -> Numbers:
    durations = [each["duration_ms"] for each in events]
    return {
        "total_events": len(events),
        "unique_users": len({each["user_id"] for each in events}),
        "unique_sessions": len({each["session_id"] for each in events}),
        "event_types": _counted(events, "event_type"),
        "devices": _counted(events, "device_type"),
        "top_referrers": _counted(events, "referrer", 3),
        "top_pages": _counted(events, "page_url", 5),
        "avg_duration_ms": sum(each for each in durations if isinstance(each, int)) // len(events),
    }


def _counted(events: list[dict[str, object]], field: str, largest: int | None = None) -> dict[str, int]:
    """Count by value, the largest first, equal ones by name."""
    counts = Counter(_as_counted(str(each[field])) for each in events)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:largest])


def _as_counted(name: str) -> str:
    """A name of more than 256 bytes is its first 200 bytes and a hash of all of them."""
    encoded = name.encode()
    if len(encoded) <= 256:
        return name
    return f"{encoded[:200].decode(errors='ignore')}...{hashlib.sha256(encoded).hexdigest()[:16]}"


def _instant(seconds: int) -> str:
    """RFC 3339 in UTC without a fraction. A year below 1000 keeps its zeros."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return at.isoformat().replace("+00:00", "Z")
