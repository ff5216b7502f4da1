"""helm upgrade and helm rollback while events flow, and setup.sh again."""

from typing import Any

from cluster.cluster_topics import ClusterTopics
from cluster.commands import ROOT
from cluster.exactness import assert_all_windows_exact, seconds
from cluster.installation import PROCESSOR, RELEASES, WINDOW_SECONDS, Installation

CHART = str(ROOT / "charts/clickstream-streams")


def upgrade(installation: Installation, setting: str) -> None:
    installation.helm("upgrade", PROCESSOR, CHART, "--reuse-values", f"--set={setting}", "--wait", "--timeout=5m")
    installation.wait_until_ready(PROCESSOR)


def deployment(installation: Installation) -> Any:
    return installation.apps.read_namespaced_deployment(PROCESSOR, installation.namespace)


def environment(installation: Installation) -> dict[str, str]:
    container = deployment(installation).spec.template.spec.containers[0]
    return {each.name: each.value for each in container.env}


def test_an_upgrade_and_its_rollback_roll_without_losing_an_event(
    installation: Installation, topics: ClusterTopics
) -> None:
    first, before = installation.pod_names(PROCESSOR), environment(installation)
    upgrade(installation, "strategy=RollingUpdate")
    assert installation.pod_names(PROCESSOR) == first, "the strategy alone replaces no pod"
    upgrade(installation, "commitInterval=500ms")
    second = installation.pod_names(PROCESSOR)
    assert environment(installation) == {**before, "COMMIT_INTERVAL": "500ms"}
    assert deployment(installation).spec.strategy.type == "RollingUpdate"

    installation.helm("rollback", PROCESSOR, "--wait", "--timeout=5m")
    installation.wait_until_ready(PROCESSOR)
    assert environment(installation) == before
    assert not installation.pod_names(PROCESSOR) & (first | second)
    assert not first & second
    assert_all_windows_exact(topics)


def test_another_window_size_recreates_and_setup_brings_the_first_back(
    installation: Installation, topics: ClusterTopics
) -> None:
    longer = 2 * WINDOW_SECONDS
    upgrade(installation, f"windowSize={longer}s,strategy=Recreate")
    assert deployment(installation).spec.strategy.type == "Recreate"
    results = assert_all_windows_exact(topics, further_seconds=3 * longer)
    newest = max(results.values(), key=lambda each: seconds(each.window_end))
    assert seconds(newest.window_end) - seconds(newest.window_start) == longer

    installation.set_up()
    assert deployment(installation).spec.strategy.type == "Recreate"
    results = assert_all_windows_exact(topics, further_seconds=3 * longer)
    newest = max(results.values(), key=lambda each: seconds(each.window_end))
    assert seconds(newest.window_end) - seconds(newest.window_start) == WINDOW_SECONDS


def test_setup_again_changes_nothing(installation: Installation) -> None:
    before = {release: installation.pod_names(release) for release in RELEASES}
    installation.set_up()
    assert {release: installation.pod_names(release) for release in RELEASES} == before
    assert deployment(installation).spec.strategy.type == "RollingUpdate", "what is counted stays as it is"
    assert set(installation.restarts().values()) == {0}
