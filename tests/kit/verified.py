"""Runs verify on an archive of recorded topics, and reads what it found."""

from typing import Any

from pyiceberg.catalog import Catalog

from kit.archive import EVENTS, Recorded, Run, write_raw
from kit.topics import Message


def verified(run: Run, catalog: Catalog, recorded: Recorded, files: int = 2) -> tuple[int, dict[str, Any]]:
    write_raw(catalog, recorded.messages, files)
    status, result = run("verify", "--offline", "--json")
    assert isinstance(result, dict), result
    return status, result


def group(result: dict[str, Any]) -> dict[str, Any]:
    (only,) = result["groups"]
    assert isinstance(only, dict)
    return only


def missing(result: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [
        (each["topic"], each["partition"], gap["first"], gap["last"])
        for each in result["partitions"]
        for gap in each["missing"]
    ]


def doubled(result: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [
        (each["topic"], each["partition"], gap["first"], gap["last"])
        for each in result["partitions"]
        for gap in each["doubled"]
    ]


def middle(recorded: Recorded, topic: str) -> Message:
    """A record in the middle of the topic's time; of the events one that is valid."""
    found = sorted(recorded.read(topic, ""), key=lambda each: each.timestamp)
    if topic == EVENTS:
        found = [
            each
            for each in found
            if (each.value or b"").startswith(b'{"event_id"') and b'"user_' in (each.value or b"")
        ]
    return found[len(found) // 2]
