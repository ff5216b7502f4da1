"""The scenarios with stores for trying out: an edited rule holds within seconds, each request has one result, and Redis
and Parquet have what the results have, also when Spark's executors are pods and one is killed.
"""

import base64
import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from kubernetes import client

from cluster.archiving import missing_images
from cluster.cluster_topics import ClusterTopics
from cluster.collecting import forwarded
from cluster.commands import ROOT
from cluster.counting import counted, stored_in_storage, stored_on_volume
from cluster.installation import PRODUCER, SCENARIOS, STATISTICS, Installation, is_ready
from cluster.second_release import second_release
from kit.poll import eventually
from kit.skipping import skip
from kit.statistics import Row, expected_numbers, expected_rows

LOGS, RESULTS = "clickstream-access-logs", "clickstream-scenario-results"
SCENARIO = 1
RULE = {
    "scenario_id": SCENARIO,
    "title": "The first hundred members",
    "manager": "kim",
    "log_format": {"memberId": 1},
    "filters": [{"left": "memberId", "operator": "<", "right": "100051"}],
    "logical_operator": "AND",
}
EDITED = {**RULE, "filters": [{"left": "memberId", "operator": ">=", "right": "100051"}]}
HOLDS_AFTER_S = 5
DEADLINE_S = 240
"""Of what Spark does, whose JVMs take two minutes to start on a busy machine."""
LOAD = {"kind": "access-log", "rate": "50", "kafka.authentication.secret": PRODUCER}
OF_EXECUTORS = 2
IN_BUCKET, S3_SECRET = "clickstream-results/executors", "clickstream-archive-s3"
EXECUTORS_AS_PODS = {
    "resultsTo": f"s3a://{IN_BUCKET}",
    "s3": {"endpoint": "http://clickstream-seaweedfs:8333", "secret": S3_SECRET},
    "spark": {"master": "k8s://https://kubernetes.default.svc", "executors": {"instances": 1, "memory": "512m"}},
}
NEEDED = ("docker.io/library/mariadb", "docker.io/valkey/valkey")


@pytest.fixture(scope="session")
def installation_with_scenarios(fresh_installation: Installation) -> Installation:
    """The same with the scenarios, which setup.sh adds; they stay, because cleanup.sh has to remove them as well."""
    nodes: Any = client.CoreV1Api().list_node()
    names = (name for node in nodes.items for image in node.status.images or () for name in image.names or ())
    there = {each.rpartition(":")[0] for each in names}
    if missing := {*missing_images("scenarios", "statistics"), *(each for each in NEEDED if each not in there)}:
        skip(f"the nodes don't have {' and '.join(sorted(missing))} (.ci/rig builds them)")
    added = Installation(fresh_installation.namespace)
    added.set_up("--scenarios", "--with-stores=dev")
    return added


@pytest.fixture
def scenarios(installation: Installation, installation_with_scenarios: Installation) -> Installation:
    """With one Ready pod of each app, of the stream, the page and the job."""
    for deployment in (SCENARIOS, f"{SCENARIOS}-admin", STATISTICS):
        installation_with_scenarios.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=5m")
    return installation_with_scenarios


@pytest.fixture
def reading(topics: ClusterTopics, scenarios: Installation) -> ClusterTopics:
    """Requests and results, read by the pod of `topics`."""
    return ClusterTopics(scenarios, {LOGS: "read_committed", RESULTS: "read_committed"})


@pytest.fixture
def with_executors(scenarios: Installation, installation_with_archive: Installation, tmp_path: Path) -> Installation:
    """The job begins again: its executors are pods, and its Parquet goes to the archive's storage."""
    values = tmp_path / "executors.json"
    values.write_text(json.dumps(EXECUTORS_AS_PODS))
    chart = str(ROOT / "charts" / STATISTICS)
    scenarios.helm("upgrade", STATISTICS, chart, "--reuse-values", f"--values={values}")
    scenarios.kubectl("rollout", "status", f"deployment/{STATISTICS}", "--timeout=4m")
    return scenarios


class Page:
    """The API, as the first user."""

    def __init__(self, installation: Installation, address: str) -> None:
        secret = installation.core.read_namespaced_secret(f"{SCENARIOS}-users", installation.namespace)
        password = base64.b64decode(secret.data["admin-password"]).decode()
        self._basic = base64.b64encode(f"admin:{password}".encode()).decode()
        self._address = address

    def ask(self, method: str, path: str, body: object = None, *, signed_in: bool = True) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Basic {self._basic}"} if signed_in else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()


@pytest.fixture
def page(scenarios: Installation) -> Iterator[Page]:
    with forwarded(scenarios, f"{SCENARIOS}-admin") as address:
        yield Page(scenarios, address)


def results(reading: ClusterTopics, since: datetime) -> list[dict[str, Any]]:
    """Those of the requests since a moment."""
    reading.refresh()
    found = [json.loads(each.value or b"") for each in reading.read(RESULTS, "read_committed")]
    ours = [each for each in found if each["scenario_id"] == SCENARIO]
    return [each for each in ours if datetime.fromisoformat(each["timestamp"]) >= since]


def requests(reading: ClusterTopics, since: datetime) -> list[str]:
    """The members of the requests that are to have a result."""
    found = [json.loads(each.value or b"") for each in reading.read(LOGS, "read_committed")]
    return [
        parse_qs(urlsplit(each["request_uri"]).query)["memberId"][0]
        for each in found
        if each["method"] == "GET"
        and 100 <= int(each["status"]) < 400
        and each["request_uri"].startswith(f"/{SCENARIO}?")
        if datetime.fromisoformat(each["time"]) >= since
    ]


def load_of(scenario: int) -> dict[str, str]:
    return {**LOAD, "scenarioIds": f"{{{scenario}}}"}


def assert_counted(reading: ClusterTopics, stored: Callable[[], list[Row]]) -> None:
    """Wait until Redis and the Parquet have all results that the topic has."""

    def all_counted() -> bool:
        reading.refresh()
        there = reading.read(RESULTS, "read_committed")
        assert counted(reading.installation) == expected_numbers(there)
        rows, expected = stored(), expected_rows(there)
        assert len(rows) == len(expected)
        assert rows == expected
        return True

    eventually(all_counted, deadline_seconds=DEADLINE_S, every=1)


def test_setup_makes_ready_scenarios_and_says_what_to_look_at(scenarios: Installation) -> None:
    assert "for trying out, with no copies and no backups" in scenarios.printed
    assert f"kubectl port-forward service/{SCENARIOS}-admin 8092:8080 -n {scenarios.namespace}" in scenarios.printed
    assert "Phase:          Succeeded" in scenarios.helm("test", SCENARIOS, "--timeout=5m")
    jobs = scenarios.kubectl("get", "jobs", "--output=name")
    assert "migrate" not in jobs, "a hook that has succeeded is removed"


def test_each_request_has_one_result_and_an_edited_rule_holds_within_seconds(
    scenarios: Installation, reading: ClusterTopics, page: Page, tmp_path: Path
) -> None:
    assert page.ask("GET", "/api/scenarios", signed_in=False)[0] == 401
    status, made = page.ask("POST", "/api/scenarios", RULE)
    assert status in (200, 201), made
    known = datetime.fromisoformat(made["changed_at"]) + timedelta(seconds=HOLDS_AFTER_S + 1)

    def applied(version: int) -> int:
        return sum(each["version"] == version for each in results(reading, known))

    with second_release(scenarios, PRODUCER, "scenario-requests", tmp_path, load_of(SCENARIO)):
        eventually(lambda: applied(1) > 100, deadline_seconds=120, every=1)
        status, edited = page.ask("PUT", f"/api/scenarios/{SCENARIO}", {**EDITED, "version": 1})
        assert status == 200, edited
        changed_at = datetime.fromisoformat(edited["changed_at"])
        eventually(lambda: applied(2) > 400, deadline_seconds=120, every=1)

    def all_there() -> list[dict[str, Any]]:
        found = results(reading, known)
        wanted = Counter(requests(reading, known))
        assert Counter(each["memberId"] for each in found) == wanted, "one result for each"
        return found

    found = eventually(all_there, deadline_seconds=60, every=1)
    since_change = {each["timestamp"]: datetime.fromisoformat(each["timestamp"]) - changed_at for each in found}
    late = [each for each in found if since_change[each["timestamp"]].total_seconds() > HOLDS_AFTER_S]
    assert {each["version"] for each in found} == {1, 2}
    assert late
    assert {each["version"] for each in late} == {2}, "the old rule was applied for longer"
    for each in found:
        assert each["success"] == int((int(each["memberId"]) < 100051) == (each["version"] == 1)), each
    assert_counted(reading, lambda: stored_on_volume(scenarios, tmp_path / "parquet"))


def test_executors_are_pods_and_one_that_is_killed_changes_no_number(
    with_executors: Installation, reading: ClusterTopics, page: Page, tmp_path: Path
) -> None:
    installation = with_executors
    status, made = page.ask("POST", "/api/scenarios", {**RULE, "scenario_id": OF_EXECUTORS})
    assert status in (200, 201), made

    def executors() -> set[str]:
        selector = f"app.kubernetes.io/instance={STATISTICS},spark-role=executor"
        pods = installation.core.list_namespaced_pod(installation.namespace, label_selector=selector).items
        return {each.metadata.name for each in pods if is_ready(each) and not each.metadata.deletion_timestamp}

    def total() -> int:
        return counted(installation).get(str(OF_EXECUTORS), (0, 0))[0]

    with second_release(installation, PRODUCER, "further-requests", tmp_path, load_of(OF_EXECUTORS)):
        (killed,) = eventually(executors, deadline_seconds=DEADLINE_S, every=0.5)
        before = eventually(total, deadline_seconds=DEADLINE_S, every=1)
        installation.kill(killed)
        eventually(lambda: executors() - {killed}, deadline_seconds=DEADLINE_S, every=0.5)
        eventually(lambda: total() > before + 200, deadline_seconds=DEADLINE_S, every=1)
    (driver,) = installation.pods(STATISTICS)
    assert driver.status.container_statuses[0].restart_count == 0, "the driver goes on without its executor"
    assert_counted(reading, lambda: stored_in_storage(installation, S3_SECRET, IN_BUCKET))
