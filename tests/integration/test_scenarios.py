"""The scenarios' stream on a real broker: the reference's example, exactly once through kills, dead letters."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clickstream_local.broker import Broker
from kit.poll import eventually
from kit.processes import Apps
from kit.processor import sample
from kit.scenarios import (
    MEMBER_ROWS,
    REFERENCE,
    REFERENCE_REQUEST,
    Known,
    ScenarioTopics,
    access_log,
    create_scenario_topics,
    known_requests,
    start_scenarios,
    write_folder,
)
from kit.topics import ToSend, committed, end_offsets, send

NUMBERED = {**REFERENCE, "log_format": {"n": 1, "memberId": 1, "h": 1}}


@pytest.fixture
def topics(broker: Broker) -> ScenarioTopics:
    return create_scenario_topics(broker.bootstrap_servers)


def test_the_references_own_example_succeeds(topics: ScenarioTopics, apps: Apps, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "rules", [REFERENCE], ["123456,MALE,2001-11-01,"])
    send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(REFERENCE_REQUEST))])
    app = start_scenarios(apps, topics, folder)

    (result,) = eventually(topics.read_results, 60)

    assert result == {
        "memberId": "123456",
        "h": 10,
        "success": 1,
        "scenario_id": 5,
        "date": "2026-11-27 10:00:00",
        "timestamp": "2026-11-27T10:00:00.000Z",
        "version": 1,
    }
    (record,) = topics.read(topics.results)
    assert record.key == b"5"
    app.wait_until_ready()
    assert sample(app, "clickstream_scenarios_results_total", success="1") == 1
    app.stop()


def test_a_scenario_changed_in_mid_stream_changes_the_results_that_follow(
    topics: ScenarioTopics, apps: Apps, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "rules", [REFERENCE], ["123456,MALE,2001-11-01,"])
    app = start_scenarios(apps, topics, folder)
    app.wait_until_ready(60)
    send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(REFERENCE_REQUEST))])
    eventually(topics.read_results, 60)
    stricter = [*REFERENCE["filters"], {"left": "res", "operator": "==", "right": "1x1"}]  # type: ignore[misc]
    write_folder(folder, [{**REFERENCE, "filters": stricter, "version": 2}], ["123456,MALE,2001-11-01,"])

    def newest() -> list[tuple[int, int]]:
        send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(REFERENCE_REQUEST))])
        found = sorted((each["version"], each["success"]) for each in topics.read_results())
        return found if found[-1][0] == 2 else []

    found = Counter(eventually(newest, 30, every=0.5))
    assert set(found) == {(1, 1), (2, 0)}, "each result is that of its version"


def test_an_event_that_names_a_scenario_gets_a_result_too(topics: ScenarioTopics, apps: Apps, tmp_path: Path) -> None:
    scenario = {**REFERENCE, "log_format": {"event_type": 1, "memberId": 1}, "filters": []}
    folder = write_folder(tmp_path / "rules", [scenario])
    event = {"timestamp": "2026-11-27T01:00:00.000Z", "event_type": "click", "user_id": "u"}
    tracked = {**event, "scenario_id": 5, "parameters": {"memberId": "7"}}
    values = [event, tracked, {**tracked, "scenario_id": 6}, {**tracked, "timestamp": "soon"}]
    send(topics.bootstrap_servers, topics.events, [ToSend(json.dumps(each).encode()) for each in values])
    start_scenarios(apps, topics, folder)

    (result,) = eventually(topics.read_results, 60)

    assert (result["event_type"], result["memberId"], result["success"]) == ("click", "7", 1)

    def reasons() -> Counter[str]:
        return Counter(each.header("reason") for each in topics.read(topics.dead_letters))

    eventually(lambda: reasons() == {"unknown_scenario": 1, "bad_timestamp": 1}, 30)


def test_a_request_to_the_collector_has_the_result_that_it_would_have_through_nginx(
    topics: ScenarioTopics, apps: Apps, tmp_path: Path
) -> None:
    kept = dict.fromkeys(["e_c", "e_n", "url", "urlref", "_idn", "res", "memberId", "age"], 1)
    folder = write_folder(tmp_path / "rules", [{**REFERENCE, "log_format": kept}], ["123456,MALE,2001-11-01,"])
    send(topics.bootstrap_servers, topics.access_logs, [ToSend(access_log(REFERENCE_REQUEST))])
    start_scenarios(apps, topics, folder)
    collector = apps.start("clickstream_collector.main", environ=topics.environ, ADMIN_PORT="0")

    assert eventually(lambda: collector.get(REFERENCE_REQUEST)[0] == 200, 60)

    first, second = eventually(lambda: found if len(found := topics.read_results()) == 2 else [], 60)
    times = {"date", "timestamp", "success"}
    assert first["e_n"] == "고면할당하기"
    assert {name: value for name, value in first.items() if name not in times} == {
        name: value for name, value in second.items() if name not in times
    }


def test_kills_make_no_result_twice_and_none_missing(topics: ScenarioTopics, apps: Apps, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "rules", [NUMBERED], MEMBER_ROWS)
    requests = known_requests(12_000, seed=3)
    app = start_scenarios(apps, topics, folder, COMMIT_INTERVAL="100ms")
    with ThreadPoolExecutor() as sending:
        sent = sending.submit(send_gradually, topics, [each.record for each in requests])
        for _ in range(2):
            before = sum(progress(topics).values())
            eventually(lambda before=before: sum(progress(topics).values()) > before, 60)  # type: ignore[misc]
            app.kill()
            assert not sent.done(), "it was killed under load"
            app = start_scenarios(apps, topics, folder, COMMIT_INTERVAL="100ms")
        sent.result()

    eventually(lambda: progress(topics) == end_offsets(topics.bootstrap_servers, topics.access_logs), 60, every=0.5)

    assert_as_known(topics, requests)
    app.stop()


def send_gradually(topics: ScenarioTopics, records: list[ToSend]) -> None:
    """Send the records in 20 seconds."""
    part = len(records) // 40 + 1
    for first in range(0, len(records), part):
        send(topics.bootstrap_servers, topics.access_logs, records[first : first + part])
        time.sleep(0.5)


def progress(topics: ScenarioTopics) -> dict[int, int]:
    """The committed offsets of the access logs."""
    return committed(topics.bootstrap_servers, topics.group_id, topics.access_logs)


def assert_as_known(topics: ScenarioTopics, requests: list[Known]) -> None:
    """Each request must have exactly what was expected of it; one that came twice, once."""
    results = Counter((each["n"], each["success"]) for each in topics.read_results())
    expected = Counter((each.number, each.expected) for each in requests if isinstance(each.expected, int))
    assert results == expected
    letters = Counter(each.header("reason") for each in topics.read(topics.dead_letters))
    assert letters == Counter(each.expected for each in requests if isinstance(each.expected, str))
