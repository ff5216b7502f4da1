"""What setup.sh writes where only v1beta2 is served, held to Strimzi 0.47's own schemas.

tests/cluster/older_strimzi.py runs it on a cluster.
"""

from pathlib import Path

import pytest

from kit.fake_kubernetes import STRIMZI, TOPICS, FakeCluster
from kit.kustomize import KustomizeMissing, build, find_kustomize
from kit.skipping import skip
from kit.strimzi import strimzi_versions
from kit.structural_schema import load_documents, problems

ROOT = Path(__file__).parents[2]
WRITTEN = ("KafkaTopic", "KafkaUser")
USERS = {"clickstream-producer", "clickstream-streams-processor", "clickstream-consumer", "clickstream-collector"}


@pytest.fixture
def older_cluster(cluster: FakeCluster) -> FakeCluster:
    """A cluster that serves only v1beta2, and the repository's own manifests."""
    try:
        kustomize = find_kustomize(ROOT / ".local" / "bin")
    except KustomizeMissing as missing:
        skip(str(missing))
    cluster.api.serve(STRIMZI, "v1beta2", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
    for folder in ("overlays/dev/topics", "overlays/eks/topics", "base/users", "collector"):
        cluster.programs.manifests[folder] = load_documents(build(kustomize, ROOT / "strimzi" / folder))
    return cluster


@pytest.mark.parametrize("brokers", [1, 3])
def test_topics_and_users_are_written_in_v1beta2_as_strimzi_0_47_takes_them(
    older_cluster: FakeCluster, brokers: int
) -> None:
    older_cluster.api.of("KafkaNodePool")["dual-role"]["spec"]["replicas"] = brokers
    definitions = strimzi_versions(ROOT / ".local" / "strimzi", "v1beta2", WRITTEN)

    finished = older_cluster.run("setup.sh", "--collector", "--window-size", "1d")

    assert finished.status == 0, finished.error
    assert f"Strimzi: {STRIMZI}/v1beta2\n" in finished.output
    written = {kind: older_cluster.api.of(kind) for kind in WRITTEN}
    assert set(written["KafkaTopic"]) == set(TOPICS)
    assert set(written["KafkaUser"]) == USERS
    for kind, found in written.items():
        for resource in found.values():
            assert resource["apiVersion"] == f"{STRIMZI}/v1beta2"
            sent = {name: value for name, value in resource.items() if name != "status"}
            sent["metadata"] = {name: value for name, value in sent["metadata"].items() if name != "generation"}
            assert problems(sent, definitions[kind]["schema"]["openAPIV3Schema"]) == []
    assert {each["spec"]["replicas"] for each in written["KafkaTopic"].values()} == {brokers}


def test_cleanup_removes_them(older_cluster: FakeCluster) -> None:
    assert older_cluster.run("setup.sh", "--collector").status == 0

    finished = older_cluster.run("cleanup.sh", "--delete-topics")

    assert finished.status == 0, finished.error
    assert older_cluster.api.of("KafkaTopic") == {}
    assert older_cluster.api.of("KafkaUser") == {}
    assert list(older_cluster.api.of("Kafka")) == ["data-on-eks"]
