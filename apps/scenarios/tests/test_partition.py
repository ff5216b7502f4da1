"""What a partition owes: results and dead letters once, request ids over ten minutes, and after a restart alike."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from clickstream_kafka.records import OversizedRecord, Record
from clickstream_scenarios import partition as module
from clickstream_scenarios.member import Member
from clickstream_scenarios.partition import Changes, Partition
from clickstream_scenarios.recent_ids import WINDOW_MS, RecentIds
from clickstream_scenarios.requests import read_access_log
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.scenario import Scenario

T = 1_795_773_600_000


@dataclass
class Sent:
    """A record of the access logs."""

    offset: int
    value: bytes | None
    timestamp: int = T
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def line(request_id: str = "", target: str = "/5?n=1", **fields: Any) -> bytes:
    record = {"method": "GET", "request_uri": target, "status": 200, "request_id": request_id, **fields}
    return json.dumps(record).encode()


RULES = {
    5: Rule(Scenario(5, "t", log_format={"n": True})),
    6: Rule(Scenario(6, "t", active=False)),
    7: Rule(Scenario(7, "t", log_format={"age": True}, version=4)),
}


def new(offset: int = 0, limit: int = 1_000_000) -> Partition:
    return Partition(offset, read_access_log, RULES.get, RecentIds(limit))


def process(state: Partition, records: Sequence[Record], members: dict[str, Member | None] | None = None) -> Changes:
    state.judge(state.read(records), members or {})
    return state.changes()


def values(changes: Changes) -> list[Any]:
    return [json.loads(each.value) for each in changes.results]


def test_each_record_has_a_result_a_dead_letter_or_no_trace() -> None:
    records: list[Record] = [
        Sent(0, line("a")),
        Sent(1, b"{"),
        Sent(2, line("b", "/6")),
        Sent(3, line("c", "/99")),
        Sent(4, line("d", "/about")),
        Sent(5, line("e", status=500)),
        Sent(6, line("f", method="POST")),
        Sent(7, None),
        OversizedRecord(8, T),
        Sent(9, line("a")),
    ]
    changes = process(new(), records)
    assert [(each["scenario_id"], each["success"], each["n"]) for each in values(changes)] == [(5, 1, "1")]
    assert [(each.record.offset, each.reason) for each in changes.dead_letters] == [
        (1, "not_json"),
        (2, "unknown_scenario"),
        (3, "unknown_scenario"),
        (7, "not_json"),
        (8, "too_large"),
    ]
    assert [each.error for each in changes.dead_letters][1:3] == ["scenario 6 is not active", "there is no scenario 99"]
    assert changes.left_out == {"path": 1, "status": 1, "method": 1, "repeated": 1}
    assert changes.offset == 10


def test_a_number_that_is_larger_than_any_scenarios_is_unknown() -> None:
    (letter,) = process(new(), [Sent(0, line("a", "/" + "9" * 30))]).dead_letters
    assert (letter.reason, letter.error) == ("unknown_scenario", "there is no scenario with so large a number")


def test_a_committed_result_is_not_written_again() -> None:
    state = new()
    assert state.has_news(), "the first commit makes the lag visible"
    state.commit(process(state, [Sent(0, line("a")), Sent(1, b"{")]))
    assert not state.has_news()
    changes = state.changes()
    assert (changes.results, changes.dead_letters, changes.left_out) == ((), (), {})


def test_members_are_looked_up_where_a_rule_needs_them() -> None:
    state = new()
    entries = state.read([Sent(0, line("a", "/5?memberId=1")), Sent(1, line("b", "/7?memberId=2"))])
    assert [each.member_id for each in entries] == ["1", "2"]
    state.judge(entries, {"2": Member("2", birth_date=None)})
    assert "member_known" not in values(state.changes())[1]


def test_a_request_id_counts_once_within_ten_minutes_of_its_last_appearance() -> None:
    state = new()
    minute = 60_000
    times = [0, 5 * minute, 15 * minute, 25 * minute + 1, 25 * minute + 2]
    process(state, [Sent(offset, line("a"), T + time) for offset, time in enumerate(times)])
    assert len(state.changes().results) == 2
    process(state, [Sent(5 + n, line(""), T) for n in range(3)])
    assert len(state.changes().results) == 5, "without an id nothing is a repetition"


def test_a_refused_request_that_comes_again_is_one_dead_letter() -> None:
    changes = process(new(), [Sent(0, line("a", time="soon")), Sent(1, line("a", time="soon")), Sent(2, b"{")])
    assert [each.reason for each in changes.dead_letters] == ["bad_timestamp", "not_json"]


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_at_any_commit_decides_alike(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(chance.randrange(0, 4 * WINDOW_MS) for _ in range(3000))
    log: list[Record] = [
        Sent(offset, line(str(chance.randrange(400)), f"/5?n={offset}", status=chance.choice([200, 404])), T + time)
        for offset, time in enumerate(times)
    ]
    undisturbed = values(process(new(), log))

    found: list[Any] = []
    state = new()
    while state.offset < len(log):
        changes = process(state, log[state.offset : state.offset + chance.randrange(1, 400)])
        if chance.random() < 0.7:
            found += values(changes)
            state.commit(changes)
        commit, offset = state.committed, state.committed_offset
        if chance.random() < 0.5 or state.offset != offset:  # killed: what was not committed is read again
            state = new(offset)
            state.restore(log[commit.replay_from if commit else 0 : offset])
            state.committed = commit
    assert found == undisturbed


def test_memory_of_ids_is_bounded_and_what_was_forgotten_early_is_counted() -> None:
    recent = RecentIds(limit=5_000)
    for number in range(20_000):
        assert not recent.is_repeated(str(number), T + number, number)
    assert len(recent) <= 6_000
    assert recent.forgotten_early >= 14_000
    assert recent.is_repeated("19999", T + 20_000, 20_000)
    assert recent.replay_from(20_001) >= 14_000


def test_ids_of_more_than_ten_minutes_ago_need_not_be_read_again() -> None:
    recent = RecentIds()
    for number in range(5_000):
        recent.is_repeated(str(number), T + number * 1_000, number)
    assert 4_999 - 600 - 1_000 <= recent.replay_from(5_000) <= 4_999 - 600
    assert RecentIds().replay_from(7) == 7


def test_a_partition_with_much_to_write_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 3)
    state = new()
    process(state, [Sent(0, line("a")), Sent(1, b"{")])
    assert not state.is_full()
    process(state, [Sent(2, line("b"))])
    assert state.is_full()
    monkeypatch.setattr(module, "MAX_PENDING", 1000)
    monkeypatch.setattr(module, "MAX_PENDING_BYTES", 100)
    assert state.is_full()


def test_a_result_that_is_too_large_for_its_topic_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RESULT_BYTES", 200)
    changes = process(new(), [Sent(0, line("a", "/5?n=" + "x" * 200)), Sent(1, line("b"))])
    assert [(each.record.offset, each.reason) for each in changes.dead_letters] == [(0, "too_large")]
    assert len(changes.results) == 1
