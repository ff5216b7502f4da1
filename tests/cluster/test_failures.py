"""Pods that end without warning."""

from cluster.cluster_topics import ClusterTopics
from cluster.exactness import assert_all_windows_exact
from cluster.installation import KAFKA_POD, PROCESSOR, RELEASES, Installation, is_ready
from kit.poll import eventually


def test_a_killed_processor_is_replaced_and_no_number_changes(
    installation: Installation, topics: ClusterTopics
) -> None:
    (killed,) = installation.pod_names(PROCESSOR)
    installation.kill(killed)
    installation.wait_until_ready(PROCESSOR)
    assert killed not in installation.pod_names(PROCESSOR)
    assert_all_windows_exact(topics)


def test_a_killed_broker_comes_back_and_no_number_changes(installation: Installation, topics: ClusterTopics) -> None:
    before = installation.restarts()
    killed = installation.core.read_namespaced_pod(KAFKA_POD, installation.namespace).metadata.uid
    installation.kill(KAFKA_POD)

    def replaced() -> bool:
        found = installation.core.list_namespaced_pod(
            installation.namespace, field_selector=f"metadata.name={KAFKA_POD}"
        ).items
        return any(each.metadata.uid != killed and is_ready(each) for each in found)

    assert eventually(replaced, deadline_seconds=300, every=1)
    for release in RELEASES:
        installation.wait_until_ready(release)
    assert_all_windows_exact(topics, deadline_seconds=300)
    assert installation.restarts() == before, "the apps wait for Kafka, they do not end"
