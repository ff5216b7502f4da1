"""./setup.sh --collector, and what clicks become of."""

import json
from collections import Counter
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from cluster.cluster_topics import ClusterTopics
from cluster.collecting import forwarded, load, post
from cluster.exactness import assert_all_windows_exact
from cluster.installation import COLLECTOR, RELEASES, Installation


@pytest.fixture(scope="session")
def installation_with_collector(fresh_installation: Installation) -> Installation:
    """The same with the collector, which setup.sh adds; it stays, because cleanup.sh has to remove it as well."""
    added = Installation(fresh_installation.namespace)
    before = {release: added.pod_names(release) for release in RELEASES}
    added.set_up("--collector")
    assert {release: added.pod_names(release) for release in RELEASES} == before, "the others are as they were"
    return added


@pytest.fixture
def collecting(installation: Installation, installation_with_collector: Installation) -> Installation:
    """With one Ready pod of each app and of the collector, also after a test that failed."""
    if len(installation_with_collector.pods(COLLECTOR)) != 1:
        installation_with_collector.kubectl("scale", f"deployment/{COLLECTOR}", "--replicas=1")
    installation_with_collector.wait_until_ready(COLLECTOR)
    return installation_with_collector


def test_setup_makes_a_ready_collector_and_says_what_to_look_at(collecting: Installation) -> None:
    (pod,) = collecting.pods(COLLECTOR)
    assert pod.status.container_statuses[0].restart_count == 0
    assert f"kubectl port-forward service/{COLLECTOR} 8090:8080 -n {collecting.namespace}" in collecting.printed
    assert "/clickstream.js" in collecting.helm("get", "notes", COLLECTOR)
    assert "VISITOR_SECRET" not in collecting.log(pod.metadata.name), "it found the one that setup.sh made"


def test_helm_test_passes(collecting: Installation) -> None:
    printed = collecting.helm("test", COLLECTOR, "--timeout=5m")
    assert "Phase:          Succeeded" in printed


def test_a_click_is_answered_with_200_and_is_in_the_topic(collecting: Installation, topics: ClusterTopics) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    click = {"event_id": str(uuid4()), "path": "/post", "tag": "a", "id": "more", "timestamp": now}
    with forwarded(collecting) as address:
        assert post(address, json.dumps(click).encode()) == (200, {"status": "ok", "received": click})
        assert post(address, b"no JSON") == (200, {"status": "ok", "received": {"raw": "no JSON"}})
        assert post(address, b"<click/>", content_type="application/xml")[0] == 415

    topics.refresh()
    events = [json.loads(each.value or b"") for each in topics.read(topics.events, "read_uncommitted")]
    (event,) = [each for each in events if each["event_id"] == click["event_id"]]
    assert (event["page_url"], event["event_type"], event["element_id"]) == ("/post", "click", "more")
    letters = topics.read(topics.dead_letters, "read_committed")
    assert [each.value for each in letters if each.header("app") == COLLECTOR] == [b"no JSON"]


def test_no_event_that_got_200_is_lost_when_replicas_come_and_go(
    collecting: Installation, topics: ClusterTopics
) -> None:
    before = collecting.pod_names(COLLECTOR)
    with load(collecting) as posted:
        collecting.scale(COLLECTOR, 2)
        collecting.kubectl("rollout", "restart", f"deployment/{COLLECTOR}")
        collecting.kubectl("rollout", "status", f"deployment/{COLLECTOR}", "--timeout=5m")
        collecting.wait_until_ready(COLLECTOR, 2)
        collecting.scale(COLLECTOR, 1)

    assert not before & collecting.pod_names(COLLECTOR)
    statuses = {answer for answer in posted.answers if answer.isdigit()}
    assert statuses <= {"200", "503"}, f"{posted.answers}"
    assert len(posted.acknowledged) > 500, f"{posted.answers}: too little to say anything"
    topics.refresh()
    found = Counter(
        json.loads(each.value or b"")["event_id"] for each in topics.read(topics.events, "read_uncommitted")
    )
    lost = [event_id for event_id in posted.acknowledged if not found[event_id]]
    assert not lost, f"{len(lost)} of {len(posted.acknowledged)} are not in the topic; answers: {posted.answers}"
    twice = [event_id for event_id, posts in posted.acknowledged.items() if posts == 1 and found[event_id] > 1]
    assert not twice, f"{len(twice)} that were posted once are there twice"
    assert_all_windows_exact(topics)


def test_setup_without_the_collector_leaves_it_alone(collecting: Installation) -> None:
    again = Installation(collecting.namespace)
    before = collecting.pod_names(COLLECTOR)
    revision = collecting.helm("history", COLLECTOR, "-o", "json")
    again.set_up()
    assert f"{COLLECTOR} is there and stays as it is" in again.printed
    assert collecting.pod_names(COLLECTOR) == before
    assert collecting.helm("history", COLLECTOR, "-o", "json") == revision


def test_setup_with_the_collector_again_changes_nothing(collecting: Installation) -> None:
    def secret() -> str:
        found = collecting.core.read_namespaced_secret(f"{COLLECTOR}-visitors", collecting.namespace)
        return str(found.data["secret"])

    before, visitors = collecting.pod_names(COLLECTOR), secret()
    collecting.set_up("--collector")
    assert (collecting.pod_names(COLLECTOR), secret()) == (before, visitors)
