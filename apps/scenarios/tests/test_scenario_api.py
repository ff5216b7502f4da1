import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Engine, text

from clickstream_scenarios import scenario_api
from clickstream_scenarios.cache import CHANNEL, Cache
from clickstream_scenarios.member import Member
from clickstream_scenarios.member_store import write_members
from clickstream_scenarios.migrating import migrate
from clickstream_scenarios.requests import Request
from clickstream_scenarios.sign_in import PASSWORD, SignIn
from clickstream_scenarios.trial_api import KafkaAway
from kit.poll import eventually
from kit.redis_server import RedisServer
from kit.scenario_admin import Admin, Recent, scenario_admin
from kit.scenarios import REFERENCE

OpenCache = Callable[[str | None], Cache]
OPENAPI = json.loads((Path(scenario_api.__file__).parent / "web" / "openapi.json").read_text(encoding="utf-8"))
NOON_MS = 1_790_000_000_000


@pytest.fixture
def engine(tmp_path: Path, open_database: Callable[[str], Engine]) -> Engine:
    made = open_database(f"sqlite:///{tmp_path}/scenarios.db")
    migrate(made)
    return made


@pytest.fixture
def recent() -> Recent:
    return Recent()


@pytest.fixture
def admin(engine: Engine, redis: RedisServer, open_cache: OpenCache, recent: Recent) -> Iterator[Admin]:
    with scenario_admin(engine, open_cache(redis.url), recent=recent) as running:
        yield running


def _is(name: str, value: object) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    jsonschema.validate(value, schema)
    return True


def test_the_references_json_is_accepted_and_returned(admin: Admin) -> None:
    status, headers, made = admin.ask("POST", "/api/scenarios", REFERENCE)
    assert (status, headers["cache-control"]) == (201, "no-store")
    assert {name: made[name] for name in REFERENCE} == REFERENCE
    assert (made["timezone"], made["version"], made["active"], made["changed_by"]) == ("UTC", 1, True, "local")
    assert _is("Stored", made)
    assert admin.ask("GET", "/api/scenarios/5")[2] == made
    assert admin.ask("GET", "/api/scenarios")[2] == {"scenarios": [made]}
    # What was returned may be sent back as it is.
    status, _, same = admin.ask("PUT", "/api/scenarios/5", made)
    assert (status, same) == (200, made)


def test_a_scenario_without_an_id_gets_the_next(admin: Admin) -> None:
    admin.ask("POST", "/api/scenarios", REFERENCE)
    _, _, made = admin.ask("POST", "/api/scenarios", {"title": "second"})
    assert made["scenario_id"] == 6
    status, _, refused = admin.ask("POST", "/api/scenarios", REFERENCE)
    assert (status, refused["problems"][0]["place"]) == (400, "scenario_id")


def test_a_change_on_an_older_version_gets_what_holds_now(admin: Admin) -> None:
    admin.ask("POST", "/api/scenarios", REFERENCE)
    theirs = admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "title": "theirs"})[2]
    status, _, refused = admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "title": "mine"})
    assert (status, refused["current"]) == (409, theirs)
    assert _is("Error", refused)
    status, _, mine = admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 2, "title": "mine"})
    assert (status, mine["version"], mine["title"]) == (200, 3, "mine")


def test_the_history_has_every_version_and_a_way_back(admin: Admin) -> None:
    admin.ask("POST", "/api/scenarios", REFERENCE)
    admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 1, "filters": []})
    admin.ask("PUT", "/api/scenarios/5", {**REFERENCE, "version": 2, "filters": [], "active": False})
    status, _, again = admin.ask("POST", "/api/scenarios/5/restore", {"version": 3, "restore": 1})
    assert (status, again["version"], again["active"], again["filters"]) == (200, 4, False, REFERENCE["filters"])
    history = admin.ask("GET", "/api/scenarios/5/history")[2]["history"]
    assert [(each["version"], each["action"], each["detail"]) for each in history] == [
        (4, "restored", "version 1"),
        (3, "deactivated", ""),
        (2, "edited", ""),
        (1, "created", ""),
    ]
    assert all(_is("Change", each) for each in history)
    assert admin.ask("POST", "/api/scenarios/5/restore", {"version": 3, "restore": 1})[0] == 409
    assert admin.ask("POST", "/api/scenarios/5/restore", {"version": 4, "restore": 9})[0] == 400


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b'"' + b"x" * (256 << 10) + b'"', 413, "expected at most 256 KiB"),
        ([], 400, "expected an object with scenario_id, title"),
        ({"title": ""}, 400, "title: must be text of 1 to 200 characters"),
        ({"title": "x", "active": 1}, 400, "active: must be true or false"),
        ({"title": "x", "nonsense": 1}, 400, "nonsense: is not known"),
    ],
)
def test_what_is_no_scenario_is_refused_with_all_that_is_wrong(
    admin: Admin, body: object, status: int, why: str
) -> None:
    refused = admin.ask("POST", "/api/scenarios", body)
    assert (refused[0], why in refused[2]["error"]) == (status, True), refused
    assert _is("Error", refused[2])
    assert admin.ask("GET", "/api/scenarios")[2] == {"scenarios": []}


def test_problems_are_in_the_readers_language(admin: Admin) -> None:
    wrong = {"title": "", "filters": [{"left": "age", "operator": "~", "right": 1}]}
    _, _, refused = admin.ask("POST", "/api/scenarios/check", {"scenario_id": 1, **wrong}, Accept_Language="ko-KR")
    assert refused["problems"][0] == {"place": "title", "message": "1자에서 200자 사이의 텍스트여야 합니다"}
    assert refused["problems"][1]["message"].startswith("다음 중 하나여야 합니다: ==, !=")


def test_ids_and_versions_in_address_and_body_must_agree(admin: Admin) -> None:
    admin.ask("POST", "/api/scenarios", REFERENCE)
    for path, body in (
        ("/api/scenarios/5", {**REFERENCE, "scenario_id": 6, "version": 1}),
        ("/api/scenarios/5", REFERENCE),
        ("/api/scenarios/5", {**REFERENCE, "version": "1"}),
        ("/api/scenarios/5/restore", {"restore": 1}),
    ):
        assert admin.ask("POST" if "restore" in path else "PUT", path, body)[0] == 400
    assert admin.ask("PUT", "/api/scenarios/6", {**REFERENCE, "scenario_id": 6, "version": 1})[0] == 404
    for path in ("/api/scenarios/6", "/api/scenarios/6/history", "/api/scenarios/0"):
        assert admin.ask("GET", path)[0] == 404
    assert admin.ask("DELETE", "/api/scenarios/5")[0] == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 201),
        ({"Content_Type": "application/json; charset=utf-8"}, 201),
    ],
)
def test_another_sites_page_changes_nothing(admin: Admin, headers: dict[str, str], status: int) -> None:
    assert admin.ask("POST", "/api/scenarios", REFERENCE, **headers)[0] == status
    assert len(admin.ask("GET", "/api/scenarios")[2]["scenarios"]) == (status == 201)


def test_nothing_is_answered_without_a_user(engine: Engine, open_cache: OpenCache) -> None:
    with scenario_admin(engine, open_cache(None), SignIn(PASSWORD, b"key")) as admin:
        for path, methods in OPENAPI["paths"].items():
            for method in methods:
                if path != "/api/session":
                    status, _, answer = admin.ask(method.upper(), path.replace("{scenario_id}", "5"), {})
                    assert (status, answer) == (401, {"error": "sign in first", "sign_in": "password"}), path


def test_a_change_is_announced(admin: Admin, redis: RedisServer) -> None:
    with redis.client as client, client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(CHANNEL)
        eventually(lambda: client.pubsub_numsub(CHANNEL)[0][1] == 1, 10)
        admin.ask("POST", "/api/scenarios", REFERENCE)
        message = eventually(lambda: channel.get_message(timeout=1), 10)
    assert message["data"] == b"5"


def test_the_numbers_of_the_statistics_are_shown(admin: Admin, redis: RedisServer) -> None:
    for number in (5, 6, 7):
        admin.ask("POST", "/api/scenarios", {**REFERENCE, "scenario_id": number})
    ratio = {"success_ratio": 0.85, "total_count": 100, "success_count": 85, "updated_at": "2025-06-18 12:50:10"}
    counted = {"total_count": 10, "success_count": 4}
    with redis.client as client:
        client.set("scenario:5:success_ratio", json.dumps(ratio))
        client.set("scenario:6:success_ratio", "nonsense")
        client.hset("scenario:5:minutes", mapping={"2026-11-27T10:01Z": json.dumps(counted), "x": "{}"})
        client.hset("scenario:5:minutes", "2026-11-27T10:00Z", json.dumps(counted))
    assert admin.ask("GET", "/api/scenarios/ratios")[2] == {"redis": True, "ratios": {"5": ratio}}
    minutes = [{"minute": f"2026-11-27T10:0{number}Z", **counted} for number in (0, 1)]
    assert admin.ask("GET", "/api/scenarios/5/minutes")[2] == {"redis": True, "minutes": minutes}


def test_without_redis_scenarios_are_edited_and_numbers_are_missing(engine: Engine, open_cache: OpenCache) -> None:
    with scenario_admin(engine, open_cache("redis://127.0.0.1:1")) as admin:
        assert admin.ask("POST", "/api/scenarios", REFERENCE)[0] == 201
        assert admin.ask("GET", "/api/scenarios/ratios")[2] == {"redis": False, "ratios": {}}
        assert admin.ask("GET", "/api/scenarios/5/minutes")[2] == {"redis": False, "minutes": []}


def test_without_the_database_the_answer_says_why(engine: Engine, open_cache: OpenCache) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE scenario_version"))
        connection.execute(text("DROP TABLE scenario"))
    with scenario_admin(engine, open_cache(None)) as admin:
        for method, path in (("GET", "/api/scenarios"), ("POST", "/api/scenarios")):
            status, headers, answer = admin.ask(method, path, REFERENCE if method == "POST" else None)
            assert (status, headers["retry-after"]) == (503, "5")
            assert "its tables are missing: run clickstream-scenarios migrate" in answer["error"]


def test_a_trial_counts_and_shows_of_a_member_only_what_is_kept(admin: Admin, engine: Engine, recent: Recent) -> None:
    write_members(engine, [Member("kim", "MALE", date(2001, 6, 18), {"secret": "s3cret"})])

    def request(scenario_id: int, member: str, hour: str) -> Request:
        return Request(scenario_id, NOON_MS, fields={"memberId": member, "h": hour, "e_c": "click"})

    recent.requests = [request(5, "kim", "10"), request(5, "kim", "8"), request(5, "lee", "10"), request(6, "kim", "9")]
    status, _, outcome = admin.ask("POST", "/api/scenarios/trial", REFERENCE)
    assert (status, _is("Trial", outcome)) == (200, True)
    assert (outcome["total_count"], outcome["success_count"], outcome["held"]) == (3, 1, [2, 2, 2])
    assert outcome["own"] is True
    first = outcome["examples"][0]
    assert (first["holds"], first["result"]["success"], first["result"]["memberId"]) == ([True] * 3, 1, "kim")
    assert not {"gender", "age", "secret", "e_c"} & first["result"].keys()
    others = admin.ask("POST", "/api/scenarios/trial", {**REFERENCE, "scenario_id": 9})[2]
    assert (others["total_count"], others["own"]) == (4, False)
    fields: dict[str, Any] = admin.ask("GET", "/api/scenarios/suggestions")[2]["fields"]
    assert fields == {"e_c": ["click"], "h": ["10", "8", "9"], "memberId": ["kim", "lee"]}
    assert admin.ask("GET", "/api/scenarios")[2] == {"scenarios": []}, "a trial saves nothing"


def test_a_trial_without_kafka_says_so(admin: Admin, recent: Recent) -> None:
    recent.requests = KafkaAway("Kafka did not answer within 10 s")
    status, _, answer = admin.ask("POST", "/api/scenarios/trial", REFERENCE)
    assert (status, answer["error"]) == (503, "Kafka did not answer within 10 s")
    assert admin.ask("POST", "/api/scenarios/trial", {"scenario_id": 1, "title": ""})[0] == 400
