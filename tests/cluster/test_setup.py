"""./setup.sh from nothing, and what the user then sees."""

import pytest

from cluster.cluster_topics import ClusterTopics
from cluster.dashboard import dashboard
from cluster.exactness import assert_all_windows_exact
from cluster.installation import CONSUMER, RELEASES, WINDOW_SECONDS, Installation
from kit.poll import eventually


def test_setup_makes_three_ready_pods_and_says_what_to_look_at(installation: Installation) -> None:
    assert set(installation.restarts().values()) == {0}
    assert len(installation.restarts()) == len(RELEASES)
    assert "All is Ready" in installation.printed
    assert f"kubectl logs -f deployment/{CONSUMER} -n {installation.namespace}" in installation.printed
    assert f"./cleanup.sh --namespace {installation.namespace}" in installation.printed
    assert installation.seconds < 300


def test_the_dashboards_in_the_log_equal_an_offline_count(installation: Installation, topics: ClusterTopics) -> None:
    results = assert_all_windows_exact(topics, further_seconds=3 * WINDOW_SECONDS)
    assert len(results) >= 2
    (pod,) = installation.pod_names(CONSUMER)

    def shown() -> bool:
        log = installation.log(pod)
        for result in results.values():
            assert dashboard(result, result.numbers) in log, f"not in the log: {dashboard(result, result.numbers)}"
        return True

    assert eventually(shown, deadline_seconds=30, every=1)


@pytest.mark.parametrize("release", RELEASES)
def test_helm_test_passes(installation: Installation, release: str) -> None:
    printed = installation.helm("test", release, "--timeout=5m")
    assert "Phase:          Succeeded" in printed
