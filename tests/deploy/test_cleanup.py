"""What cleanup.sh decides, on a Kubernetes API that holds what each test says."""

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from clickstream_deploy.errors import ApiError
from kit.fake_kubernetes import (
    COLLECTOR,
    MADE_BY_SETUP,
    OF_KAFKA,
    RELEASES,
    STRIMZI,
    TOPICS,
    FakeCluster,
    manifest,
    strimzi,
    topic,
    user,
)

OPERATOR = "strimzi-cluster-operator"
OF_OPERATOR = f"uninstall {OPERATOR}|CustomResourceDefinition"


@pytest.fixture
def cluster(cluster: FakeCluster) -> FakeCluster:
    """After setup.sh: three releases, their users and topics, on a Kafka that was there before."""
    cluster.programs.releases |= dict.fromkeys(RELEASES, "deployed")
    cluster.api.add(*(user(name) for name in RELEASES), *(topic(name) for name in TOPICS))
    return cluster


@pytest.fixture
def own_kafka(cluster: FakeCluster) -> FakeCluster:
    """The same on a Kafka that setup.sh made."""
    instance = {"app.kubernetes.io/instance": "data-on-eks"}
    cluster.mark("Kafka", "data-on-eks", **instance)
    cluster.mark("KafkaNodePool", "dual-role", **instance)
    return cluster


@pytest.fixture
def own_operator(own_kafka: FakeCluster) -> FakeCluster:
    """The same with an operator that setup.sh installed."""
    labels = {"strimzi.io/kind": "cluster-operator", **MADE_BY_SETUP}
    spec = {"template": {"metadata": {"labels": labels}}}
    definition = manifest("CustomResourceDefinition", "kafkas", "apiextensions.k8s.io/v1", labels=MADE_BY_SETUP)
    own_kafka.api.add(manifest("Deployment", OPERATOR, "apps/v1", spec=spec), namespace="strimzi")
    own_kafka.api.add(definition)
    return own_kafka


def order(cluster: FakeCluster, *patterns: str) -> list[int]:
    """Where the changes are of which there is one for each pattern."""
    places = []
    for pattern in patterns:
        (change,) = cluster.matching(pattern)
        places.append(cluster.happened.index(change))
    return places


def test_releases_and_users_go_and_topics_stay(cluster: FakeCluster) -> None:
    output = cluster.clean_up()
    backwards = ["clickstream-producer", "clickstream-streams-processor", "clickstream-consumer"]
    uninstalled = [f"uninstall {each}" for each in backwards]
    assert cluster.happened == [*uninstalled, *(f"delete KafkaUser/{each}" for each in backwards)]
    calls = [each for each in cluster.programs.calls if " uninstall " in each]
    assert all("--wait --cascade foreground" in each for each in calls)
    assert f"Kept with their data: topics {' '.join(TOPICS)}" in output
    assert "./cleanup.sh --delete-topics removes them" in output


def test_the_collector_goes_first_with_its_user_and_the_secret_of_its_visitors(cluster: FakeCluster) -> None:
    cluster.programs.releases[COLLECTOR] = "deployed"
    labels = {"app.kubernetes.io/instance": COLLECTOR, "app.kubernetes.io/part-of": "clickstream"}
    cluster.api.add(manifest("Secret", f"{COLLECTOR}-visitors", labels=labels), user(COLLECTOR))
    output = cluster.clean_up()
    steps = order(
        cluster, f"uninstall {COLLECTOR}", f"delete Secret/{COLLECTOR}-visitors", "uninstall clickstream-producer"
    )
    assert steps == sorted(steps)
    assert f"Removed what was left of {COLLECTOR}" in output
    assert cluster.api.of("KafkaUser") == {}


def test_topics_go_when_asked_and_after_those_who_use_them(cluster: FakeCluster) -> None:
    cluster.clean_up("--delete-topics")
    last, first = order(cluster, "uninstall clickstream-consumer", f"delete KafkaTopic/{next(iter(TOPICS))}$")
    assert last < first
    assert cluster.api.of("KafkaTopic") == {}
    assert cluster.matching("patch KafkaTopic|delete Kafka/") == []


def test_topics_and_users_of_another_cluster_are_not_touched(cluster: FakeCluster) -> None:
    for each in (*cluster.api.of("KafkaTopic").values(), *cluster.api.of("KafkaUser").values()):
        each["metadata"]["labels"] = {"strimzi.io/cluster": "other"}
    cluster.clean_up("--delete-topics")
    assert cluster.matching("delete Kafka") == []


def test_all_keeps_a_kafka_that_setup_did_not_make(cluster: FakeCluster) -> None:
    assert "Kept: Kafka data-on-eks, which setup.sh did not make" in cluster.clean_up("--all")
    assert cluster.api.of("KafkaTopic") == {}
    assert cluster.matching("delete (Kafka|KafkaNodePool|PersistentVolumeClaim|Namespace)/") == []


def test_kafka_goes_after_the_topics_and_its_volumes_after_its_pods(own_kafka: FakeCluster) -> None:
    own_kafka.api.add(manifest("PersistentVolumeClaim", "data-0", labels=OF_KAFKA))
    broker = manifest("Pod", "data-on-eks-dual-role-0", labels=OF_KAFKA)
    own_kafka.api.add(broker)

    def stop() -> None:
        own_kafka.happened.append("the pod is gone")
        own_kafka.api.remove("Pod", "data-on-eks-dual-role-0")

    own_kafka.clock.due.append((20, stop))
    output = own_kafka.clean_up("--delete-kafka")
    steps = order(
        own_kafka,
        "delete KafkaTopic/clickstream-events",
        "patch PersistentVolumeClaim/data-0 .*managed-by.*setup.sh",
        "delete KafkaNodePool/dual-role",
        "delete Kafka/data-on-eks",
        "the pod is gone",
        "delete PersistentVolumeClaim/data-0",
    )
    assert steps == sorted(steps)
    assert "Waiting until these are gone: pod/data-on-eks-dual-role-0" in output
    assert own_kafka.matching("delete Namespace") == []


def test_without_their_kafka_topics_lose_their_finalizer(cluster: FakeCluster) -> None:
    cluster.api.remove("Kafka", "data-on-eks")
    cluster.api.lasting["KafkaTopic"] = 2
    cluster.clean_up("--delete-topics")
    assert len(cluster.matching('patch KafkaTopic/.* {"metadata": {"finalizers": \\[\\]}}')) == len(TOPICS)


def test_topics_that_no_operator_deletes_are_explained_instead_of_waited_for(cluster: FakeCluster) -> None:
    cluster.api.lasting["KafkaTopic"] = math.inf
    cluster.fails(
        "cleanup.sh --delete-topics",
        "the topic operator of Kafka data-on-eks does not delete them",
        f"kubectl patch kafkatopic {' '.join(TOPICS)} -n kafka",
        "topics are not gone after 90s",
    )
    assert cluster.matching("patch KafkaTopic") == []


def test_what_is_missing_already_is_no_error(cluster: FakeCluster) -> None:
    cluster.programs.releases.clear()
    cluster.api.objects = {key: each for key, each in cluster.api.objects.items() if key[0] != STRIMZI}
    output = cluster.clean_up("--delete-topics")
    assert cluster.happened == []
    assert "Nothing else was there to be removed" in output


def test_without_strimzi_the_releases_still_go(cluster: FakeCluster) -> None:
    del cluster.api.kinds[STRIMZI]
    cluster.clean_up("--all")
    assert cluster.happened == [f"uninstall {each}" for each in reversed(RELEASES)]


def test_what_helm_forgot_goes_by_its_labels(cluster: FakeCluster) -> None:
    cluster.programs.releases.clear()
    ours = {"app.kubernetes.io/instance": "clickstream-producer", "app.kubernetes.io/part-of": "clickstream"}
    theirs = {"app.kubernetes.io/instance": "clickstream-producer"}
    cluster.api.add(manifest("Deployment", "x", "apps/v1", labels=ours), manifest("Pod", "y", labels=theirs))
    output = cluster.clean_up()
    assert cluster.matching("delete (Deployment|Pod)") == ["delete Deployment/x"]
    assert "Removed what was left of clickstream-producer" in output


def test_all_removes_the_namespace_that_setup_made(own_kafka: FakeCluster) -> None:
    own_kafka.mark("Namespace", "kafka")
    usual = (manifest("ConfigMap", "kube-root-ca.crt"), manifest("ServiceAccount", "default"), manifest("Event", "x"))
    own_kafka.api.add(*usual)
    own_kafka.clean_up("--all")
    assert own_kafka.happened[-1] == "delete Namespace/kafka"


def test_all_keeps_a_namespace_that_holds_foreign_objects(own_kafka: FakeCluster) -> None:
    own_kafka.mark("Namespace", "kafka")
    own_kafka.api.add(manifest("Pod", "kafka-cli"))
    assert "Kept: namespace kafka, in which there are also pod/kafka-cli" in own_kafka.clean_up("--all")
    assert own_kafka.matching("delete Namespace") == []


def test_what_kubernetes_removes_by_itself_is_waited_for(own_kafka: FakeCluster) -> None:
    own_kafka.mark("Namespace", "kafka")
    secret = manifest("Secret", "clickstream-producer")
    secret["metadata"]["seen"] = 3
    own_kafka.api.add(secret)
    assert "Removed namespace kafka" in own_kafka.clean_up("--all")


def test_a_namespace_that_does_not_go_is_named(own_kafka: FakeCluster) -> None:
    own_kafka.mark("Namespace", "kafka")
    own_kafka.api.lasting["Namespace"] = math.inf
    holds = "namespace kafka is not gone after 30s: kubectl get namespace kafka -o yaml says what holds"
    own_kafka.fails("cleanup.sh --all --timeout 30s", holds)


def test_all_removes_the_operator_that_setup_installed(own_operator: FakeCluster) -> None:
    own_operator.clean_up("--all")
    steps = order(
        own_operator, "delete Kafka/data-on-eks", f"uninstall {OPERATOR}", "delete CustomResourceDefinition/kafkas"
    )
    assert steps == sorted(steps)


def test_all_removes_an_operator_whose_installation_failed(own_kafka: FakeCluster) -> None:
    own_kafka.api.add(manifest("Namespace", "strimzi", labels=MADE_BY_SETUP), namespace="kafka")
    own_kafka.programs.releases[OPERATOR] = "failed"
    own_kafka.clean_up("--all")
    assert any(f"uninstall {OPERATOR}" in each and "--namespace strimzi" in each for each in own_kafka.programs.calls)
    assert own_kafka.matching("delete Namespace/strimzi")


@pytest.mark.parametrize(
    ("others", "ours", "said"),
    [
        ([strimzi("Kafka", "events")], True, "team/events"),
        ([strimzi("KafkaConnect", "sinks", labels={"strimzi.io/cluster": "sinks"})], True, "KafkaConnect team/sinks"),
        ([], False, "kafka/data-on-eks"),
    ],
)
def test_all_keeps_an_operator_that_serves_others(
    own_operator: FakeCluster, others: list[dict[str, Any]], ours: bool, said: str
) -> None:
    own_operator.api.serve(STRIMZI, "v1", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "KafkaConnect")
    own_operator.api.add(*deepcopy(others), namespace="team")
    if not ours:
        own_operator.kafka()["metadata"]["labels"] = dict(OF_KAFKA)
    assert f"Kept: Strimzi's operator, which serves {said}\n" in own_operator.clean_up("--all")
    assert own_operator.matching(OF_OPERATOR) == []


def test_an_operator_that_setup_did_not_install_is_not_touched(own_operator: FakeCluster) -> None:
    del own_operator.api.of("Deployment")[OPERATOR]["spec"]["template"]["metadata"]["labels"][next(iter(MADE_BY_SETUP))]
    own_operator.clean_up("--all")
    assert own_operator.matching(OF_OPERATOR) == []


BINDING = "strimzi-kafka-data-on-eks-kafka-init"


def binding(name: str, namespace: str) -> dict[str, Any]:
    subjects = [{"namespace": namespace}]
    return manifest("ClusterRoleBinding", name, "rbac.authorization.k8s.io/v1", labels=OF_KAFKA, subjects=subjects)


def test_what_the_operator_has_to_remove_is_waited_for_before_it_goes(own_operator: FakeCluster) -> None:
    own_operator.api.add(binding(BINDING, "kafka"))

    def reconcile() -> None:
        own_operator.happened.append("the binding is gone")
        own_operator.api.remove("ClusterRoleBinding", BINDING)

    own_operator.clock.due.append((100, reconcile))
    output = own_operator.clean_up("--all")
    gone, uninstalled = order(own_operator, "the binding is gone", f"uninstall {OPERATOR}")
    assert gone < uninstalled
    assert f"Waiting until Strimzi's operator has removed clusterrolebinding/{BINDING}" in output
    assert output.splitlines()[-1].endswith("s  Done")
    assert own_operator.matching("delete ClusterRoleBinding") == []


def test_what_the_operator_does_not_remove_is_named_with_the_command(own_operator: FakeCluster) -> None:
    own_operator.api.add(binding(BINDING, "kafka"), binding("strimzi-team-data-on-eks-kafka-init", "team"))
    output = own_operator.clean_up("--all")
    assert 150 <= own_operator.clock.now < 160
    assert f"Left: clusterrolebinding/{BINDING}, which Strimzi's operator made for Kafka data-on-eks" in output
    assert f"kubectl delete clusterrolebinding/{BINDING}\n" in output
    assert "strimzi-team" not in output, "it belongs to a Kafka of the same name in another namespace"
    assert "Done, but for what is left: see above" in output
    assert own_operator.matching("delete ClusterRoleBinding") == []


def test_what_an_earlier_cleanup_left_is_named_without_waiting(cluster: FakeCluster) -> None:
    del cluster.api.kinds[STRIMZI]
    cluster.api.add(binding(BINDING, "kafka"))
    output = cluster.clean_up("--all")
    assert cluster.clock.now == 0
    assert f"kubectl delete clusterrolebinding/{BINDING}\n" in output


@pytest.mark.parametrize(
    ("left", "command"),
    [
        (manifest("PersistentVolumeClaim", "data-0"), "kubectl delete pvc -n kafka -l strimzi.io/cluster=data-on-eks"),
        (manifest("Secret", "data-on-eks-cluster-ca"), "kubectl delete -n kafka secret/data-on-eks-cluster-ca"),
        (
            manifest("KafkaRebalance", "auto", f"{STRIMZI}/v1"),
            """kafkarebalance.kafka.strimzi.io/auto --type=merge -p '{"metadata":{"finalizers":null}}'""",
        ),
    ],
)
def test_whatever_is_left_of_kafka_is_named(own_kafka: FakeCluster, left: dict[str, Any], command: str) -> None:
    own_kafka.api.serve(STRIMZI, "v1", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "KafkaRebalance")
    delete = own_kafka.api.request

    def appear(method: str, path: str, **rest: Any) -> Any:
        if method == "DELETE" and path.endswith("/kafkas/data-on-eks"):
            own_kafka.api.add({**left, "metadata": {"name": left["metadata"]["name"], "labels": dict(OF_KAFKA)}})
            own_kafka.api.denied.add("patch persistentvolumeclaims")
        return delete(method, path, **rest)

    own_kafka.api.request = appear  # type: ignore[method-assign]
    output = own_kafka.clean_up("--delete-kafka")
    assert output.count("Left: ") == 1
    assert f"{command}\n" in output
    assert "Done, but for what is left: see above" in output


@pytest.mark.parametrize(("rack", "said"), [({"topologyKey": "topology.kubernetes.io/zone"}, True), ({}, False)])
def test_who_may_not_look_at_bindings_is_told_where_there_may_be_one(
    own_kafka: FakeCluster, rack: Mapping[str, str], said: bool
) -> None:
    own_kafka.kafka()["spec"]["kafka"]["rack"] = rack
    own_kafka.api.errors["clusterrolebindings"] = ApiError(403, "forbidden")
    finished = own_kafka.run("cleanup.sh --delete-kafka")
    assert finished.status == 0, finished.error
    assert ("at which you may not look: kubectl get clusterrolebinding" in finished.output) == said
    assert "forbidden" not in finished.error


def test_definitions_stay_when_what_they_would_take_along_is_unknown(own_operator: FakeCluster) -> None:
    own_operator.api.errors["GET /apis/kafka.strimzi.io/v1/kafkatopics$"] = ApiError(403, "forbidden")
    own_operator.fails("cleanup.sh --all", "the Strimzi resources of other namespaces can't be read: forbidden")
    assert own_operator.matching(OF_OPERATOR) == []


@pytest.mark.parametrize("option", ["--delete-topics", "--all"])
def test_a_dry_run_changes_nothing(own_kafka: FakeCluster, option: str) -> None:
    own_kafka.mark("Namespace", "kafka")
    output = own_kafka.clean_up(f"--dry-run {option}")
    assert own_kafka.happened == []
    assert "Would remove release clickstream-producer" in output
    assert f"Would remove topics {' '.join(TOPICS)}" in output
    assert ("Would remove Kafka data-on-eks and its volumes" in output) == (option == "--all")
    assert ("Would remove namespace kafka" in output) == (option == "--all")
    assert "Nothing was changed (--dry-run)" in output


def test_commands_that_are_shown_lead_to_the_same_place(cluster: FakeCluster) -> None:
    cluster.api.add(topic("clickstream-events", labels={"strimzi.io/cluster": "events"}), namespace="team")
    place = "--namespace team --cluster-name events"
    assert f"./cleanup.sh {place} --delete-topics" in cluster.clean_up(place)


def test_a_removal_that_helm_refuses_can_be_done_again(cluster: FakeCluster) -> None:
    cluster.programs.failing["uninstall clickstream-producer"] = "Error: timed out waiting for the condition\n"
    cluster.fails(
        "cleanup.sh",
        "timed out waiting for the condition",
        "clickstream-producer could not be removed (see above): run cleanup.sh again",
    )
