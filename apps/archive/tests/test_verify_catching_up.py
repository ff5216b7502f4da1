"""verify while the processor or the sink catches up: what is not settled can't be judged yet, what is settled can."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from pyiceberg.catalog import Catalog

from clickstream_core.timestamps import parse_timestamp
from kit.archive import DEAD_LETTERS, EVENTS, METRICS, Recorded, Run, recorded_pipeline, results_of
from kit.topics import Message
from kit.verified import group, middle, missing, verified

HALF_AN_HOUR_MS = 30 * 60_000


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    """Events that are at most 3 s old, but for one of the first window that arrives minutes later and is refused."""
    recorded = recorded_pipeline()
    letters = {source_of(each): each for each in recorded.read(DEAD_LETTERS, "")}
    events: list[Message] = []
    young = b""
    for each in sorted(recorded.read(EVENTS, ""), key=lambda event: event.timestamp):
        if place(each) not in letters:
            young = each.value or b"" if 0 <= each.timestamp - event_time(each) <= 3_000 else young
            events.append(replace(each, value=young))
        else:
            events.append(each)
    letter = [each for each in letters.values() if each.header("reason") == "not_json"][-1]
    headers = tuple((name, b"late" if name == "reason" else value) for name, value in letter.headers)
    late = replace(letter, value=events[0].value, headers=headers)
    events = [replace(each, value=late.value) if place(each) == source_of(letter) else each for each in events]
    planted = Recorded((*events, *(each for each in letters.values() if each is not letter), late))
    return planted.with_more(*results_of(planted, 10))


def event_time(event: Message) -> int:
    return parse_timestamp(json.loads(event.value or b"")["timestamp"])


def place(record: Message) -> tuple[int, int]:
    return record.partition, record.offset


def source_of(letter: Message) -> tuple[int, int]:
    return int(letter.header("source-partition")), int(letter.header("source-offset"))


def processor_catching_up(recorded: Recorded, windows: int = 20) -> Recorded:
    """The processor was away for half an hour, and has counted so many windows since."""
    results = sorted(recorded.read(METRICS, ""), key=lambda each: each.timestamp)
    there = results[:windows]
    processed: dict[int, int] = {}
    for result in there:
        for partition, share in json.loads(result.header("receipt")).items():
            processed[int(partition)] = max(processed.get(int(partition), -1), share["last"])
    letters = recorded.read(DEAD_LETTERS, "")
    written = [each for each in letters if source_of(each)[1] <= processed[source_of(each)[0]]]
    later = [replace(each, timestamp=each.timestamp + HALF_AN_HOUR_MS) for each in (*there, *written)]
    return recorded.without(*results, *letters).with_more(*later)


def sink_catching_up(recorded: Recorded) -> Recorded:
    """The sink has stored all results, but of the dead letters only those of the first two minutes."""
    letters = sorted(recorded.read(DEAD_LETTERS, ""), key=lambda each: each.timestamp)
    first = letters[0].timestamp
    return recorded.without(*(each for each in letters if each.timestamp > first + 120_000))


def test_all_is_equal_once_the_dead_letters_are_there(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    status, result = verified(run, catalog, recorded)
    assert (status, group(result)["equal"], group(result)["not_judged"]) == (0, 31, {})


def test_what_the_processor_has_not_reached_after_an_outage_is_no_difference(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    status, result = verified(run, catalog, processor_catching_up(recorded))
    assert (status, group(result)["different"], group(result)["other_differences"]) == (0, 0, [])
    assert group(result)["not_judged"]["not processed yet"] == 1
    assert group(result)["not_judged"].keys() == {"not processed yet", "not over"}
    assert group(result)["equal"] == 19


def test_what_the_sink_has_not_stored_after_an_outage_is_no_difference(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    status, result = verified(run, catalog, sink_catching_up(recorded))
    assert (status, group(result)["different"], group(result)["other_differences"]) == (0, 0, [])
    assert group(result)["not_judged"] == {"dead letters not archived yet": 1}


def surrounded(recorded: Recorded, letters: Sequence[Message]) -> Message:
    """The last dead letter of a record between two events of the same window."""
    refused = {source_of(each) for each in recorded.read(DEAD_LETTERS, "")}
    windows = {
        place(each): event_time(each) // 10_000 for each in recorded.read(EVENTS, "") if place(each) not in refused
    }

    def between(letter: Message) -> bool:
        partition, offset = source_of(letter)
        before, after = windows.get((partition, offset - 1)), windows.get((partition, offset + 1))
        return before is not None and before == after

    return max(filter(between, letters), key=lambda each: each.timestamp)


def in_time_but_refused(recorded: Recorded, letter: Message) -> Recorded:
    """The same with the value of the record before it in the record of this dead letter."""
    partition, offset = source_of(letter)
    source, before = (
        next(each for each in recorded.read(EVENTS, "") if place(each) == (partition, offset - less)) for less in (0, 1)
    )
    return recorded.without(source).with_more(replace(source, value=before.value))


def test_an_event_refused_between_those_that_a_receipt_names_is_no_difference_before_its_dead_letter(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    partial = sink_catching_up(recorded)
    letter = surrounded(recorded, [each for each in recorded.read(DEAD_LETTERS, "") if each not in partial.messages])
    status, result = verified(run, catalog, in_time_but_refused(partial, letter))
    assert (status, group(result)["different"]) == (0, 0)
    assert group(result)["not_judged"] == {"dead letters not archived yet": 2}


def test_a_dead_letter_that_the_archive_has_lost_among_others_is_named_by_the_receipt(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    letter = surrounded(recorded, sink_catching_up(recorded).read(DEAD_LETTERS, ""))
    status, result = verified(run, catalog, in_time_but_refused(recorded, letter).without(letter))
    (difference,) = group(result)["differences"]
    assert (status, difference["window_start"][:10]) == (1, "2026-11-26")
    assert " were refused, the archive has " in difference["note"]


@pytest.mark.parametrize("catching_up", [processor_catching_up, sink_catching_up])
@pytest.mark.parametrize("shorter", [False, True])
def test_a_forged_result_is_found_while_something_catches_up(
    run: Run, catalog: Catalog, recorded: Recorded, catching_up: Callable[[Recorded], Recorded], shorter: bool
) -> None:
    partial = catching_up(recorded)
    chosen = sorted(partial.read(METRICS, ""), key=lambda each: each.timestamp)[5]
    if shorter:
        newest = json.loads(chosen.header("receipt"))["0"]["last"]
        event = next(each for each in recorded.read(EVENTS, "") if place(each) == (0, newest))
        before = next(each for each in results_of(recorded.without(event), 10) if each.key == chosen.key)
        planted = partial.without(chosen).with_more(replace(chosen, value=before.value, headers=before.headers))
    else:
        planted = partial.changed(chosen, unique_users=1)
    status, result = verified(run, catalog, planted)
    assert (status, group(result)["different"]) == (1, 1)
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == (chosen.key or b"").decode()


def test_a_forged_receipt_settles_nothing(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    partial = processor_catching_up(recorded)
    chosen = middle(partial, METRICS)
    receipt = json.loads(chosen.header("receipt"))
    receipt["0"]["last"] = 10_000
    headers = tuple(
        (name, json.dumps(receipt).encode() if name == "receipt" else value) for name, value in chosen.headers
    )
    status, result = verified(run, catalog, partial.without(chosen).with_more(replace(chosen, headers=headers)))
    assert (group(result)["different"], missing(result)) == (0, [])
    assert status == 0
