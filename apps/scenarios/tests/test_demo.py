import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from clickstream_producer import access_logs
from clickstream_scenarios.demo import FIRST_MEMBER, SCENARIOS, members
from clickstream_scenarios.member import Member, read_member
from clickstream_scenarios.member_store import count_members, find_members, write_members
from clickstream_scenarios.requests import Request, read_access_log
from clickstream_scenarios.rules import Rule
from clickstream_scenarios.scenario import read_scenario, scenario_json
from clickstream_scenarios.scenario_store import create_scenario, fill_empty, get_changes, load_scenarios
from clickstream_scenarios.seed import main

NOW = datetime(2026, 11, 27, 13, tzinfo=UTC)


def ids(engine: Engine) -> list[int]:
    return [each.scenario.scenario_id for each in load_scenarios(engine)[1]]


def test_each_demo_scenario_is_valid_and_neither_always_nor_never_a_success() -> None:
    shop = access_logs.TrackedShop(seed=random.randrange(10**9), members=100, scenarios=(1, 2, 3))
    known = {each.member_id: each for each in members(100)}
    results: dict[int, list[int]] = {1: [], 2: [], 3: []}
    rules = {each.scenario_id: Rule(each) for each in SCENARIOS}
    for number in range(3000):
        request = read_access_log(access_logs.encode_access_log(shop.next_log(1_795_773_600_000 + number)), 0)
        if isinstance(request, Request):
            result = rules[request.scenario_id].apply(request, known[request.member_id])
            assert "member_known" not in result
            results[request.scenario_id].append(int(str(result["success"])))
    for each in SCENARIOS:
        assert read_scenario(json.loads(json.dumps(scenario_json(each)))) == each
        assert 0.05 < sum(results[each.scenario_id]) / len(results[each.scenario_id]) < 0.95


def test_the_members_are_those_that_the_producer_names_and_always_the_same() -> None:
    assert FIRST_MEMBER == access_logs.FIRST_MEMBER
    made = list(members(300))
    assert made == list(members(300))
    assert [each.member_id for each in made] == [str(FIRST_MEMBER + number) for number in range(300)]
    assert {each.gender for each in made} == {"MALE", "FEMALE"}
    assert all(each == read_member(each.member_id, each.gender, each.birth_date, each.attributes) for each in made)


def test_an_empty_database_is_filled_once(
    url: str, database: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["--users", "2500"]) == 0
    assert "3 demo scenarios and 2,500 members" in capsys.readouterr().out
    assert ids(database) == [1, 2, 3]
    assert count_members(database) == 2500
    assert find_members(database, ["102500"])["102500"] == list(members(2500))[-1]
    assert [each.action for each in get_changes(database, 1)] == ["created"]

    assert main(["--users", "5"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert count_members(database) == 2500


@pytest.mark.parametrize("has", ["a scenario", "a member"])
def test_a_users_database_is_left_as_it_is(has: str, database: Engine) -> None:
    if has == "a scenario":
        create_scenario(database, read_scenario({"scenario_id": 7, "title": "mine"}), "kim", NOW)
    else:
        write_members(database, [read_member("100001", "FEMALE")])
    before = ids(database), count_members(database)

    assert not fill_empty(database, SCENARIOS, members(10), "seed", NOW)

    assert (ids(database), count_members(database)) == before


def test_a_filling_that_is_cut_off_leaves_an_empty_database(database: Engine) -> None:
    def cut_off() -> Iterator[Member]:
        yield from members(3000)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_empty(database, SCENARIOS, cut_off(), "seed", NOW)

    assert count_members(database) == 0
    assert fill_empty(database, SCENARIOS, members(3), "seed", NOW)


def test_a_database_without_tables_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main([]) == 1
    assert "clickstream-scenarios migrate" in capsys.readouterr().err
