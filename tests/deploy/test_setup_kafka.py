"""Which Kafka and which listener setup.sh uses, and what it makes, on an API that holds what each test says."""

from typing import Any

import pytest

from clickstream_deploy.conditions import BEFORE_CHANGE, SILENCE, is_final, state_of
from clickstream_deploy.listeners import judge_listener
from kit.fake_kubernetes import (
    MADE_BY_SETUP,
    MUTUAL,
    OF_KAFKA,
    RELEASES,
    SCRAM,
    STRIMZI,
    TOPICS,
    FakeCluster,
    Manifest,
    event,
    listener,
    manifest,
    pod,
    replica_set,
    strimzi,
)

CREATING = {"type": "NotReady", "status": "True", "reason": "Creating", "message": "Kafka cluster is being deployed"}
BEING_DEPLOYED = {"observedGeneration": 0, "conditions": [CREATING]}
CLUSTER_PODS = {"strimzi.io/cluster": "data-on-eks"}


# Kafka


def test_a_kafka_of_its_own_is_marked_as_made_by_setup(cluster: FakeCluster) -> None:
    cluster.without_kafka()
    cluster.api.remove("Namespace", "kafka")
    output = cluster.set_up("--with-kafka dev")
    assert cluster.happened[:3] == [
        "create Namespace/kafka",
        "apply Kafka/data-on-eks",
        "apply KafkaNodePool/dual-role",
    ]
    made = [*cluster.api.of("Namespace").values(), *cluster.api.of("KafkaTopic").values(), cluster.kafka()]
    assert len(made) == 2 + len(TOPICS)
    assert all(each["metadata"]["labels"].items() >= MADE_BY_SETUP.items() for each in made)
    pool = cluster.api.of("KafkaNodePool")["dual-role"]["metadata"]["labels"]
    assert pool.items() >= {**MADE_BY_SETUP, "app.kubernetes.io/instance": "data-on-eks", **OF_KAFKA}.items()
    assert "kafka.kafka.strimzi.io/data-on-eks created" in output


def test_a_foreign_kafka_is_used_as_it_is(cluster: FakeCluster) -> None:
    cluster.programs.manifests["overlays/eks/kafka"] = []
    assert "setup.sh did not make it: used as it is" in cluster.set_up("--with-kafka eks")
    assert cluster.matching("Kafka/") == []


def test_a_kafka_that_does_not_become_ready_is_explained_when_the_time_is_over(cluster: FakeCluster) -> None:
    cluster.kafka()["status"] = BEING_DEPLOYED
    cluster.api.add(pod("broker-0", labels=CLUSTER_PODS), event("broker-0", "Slow", "it takes a while"))
    cluster.refuses(
        "setup.sh --timeout 1s",
        "Kafka data-on-eks in namespace kafka: Creating: Kafka cluster is being deployed",
        "condition NotReady=True Creating Kafka cluster is being deployed",
        "event Warning Slow: it takes a while",
        "Kafka data-on-eks is not Ready after 1s",
    )


def test_an_operator_that_says_nothing_is_not_waited_for_to_the_end(cluster: FakeCluster) -> None:
    cluster.kafka()["status"] = {}
    cluster.fails(
        "setup.sh",
        "this cluster has no Deployment of Strimzi's operator",
        "no operator is reconciling Kafka data-on-eks",
    )
    assert 90 <= cluster.clock.now < 100


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}


BAD = condition("NotReady", reason="InvalidResourceException", message="no such listener")
SHRUNK = condition("Ready", "False", "NotSupported", "Decreasing partitions not supported")


@pytest.mark.parametrize(
    ("generation", "observed", "conditions", "state"),
    [
        (2, 2, [condition("Ready")], "Ready"),
        (2, 1, [condition("Ready")], "Changed: its operator is not done with the last change yet"),
        (1, None, [], SILENCE),
        (1, None, [CREATING], "Creating: Kafka cluster is being deployed"),
        (1, 1, [], "Unknown: it has no condition yet"),
        (1, 1, [condition("Warning", reason="Old"), condition("Ready")], "Ready"),
        (1, 1, [condition("NotReady", reason="Creating", message="two\nlines")], "Creating: two lines"),
        (1, 1, [SHRUNK], "NotSupported: Decreasing partitions not supported"),
        (1, 1, [condition("Unmanaged")], "Unmanaged"),
        # As Strimzi 1.2 says while it makes a Kafka.
        (1, 0, [CREATING], "Creating: Kafka cluster is being deployed"),
        (3, 2, [BAD], f"InvalidResourceException: no such listener{BEFORE_CHANGE}"),
        (1, 0, [condition("Warning"), condition("Creating", message="being deployed")], "Creating: being deployed"),
        (1, 0, [condition("Deploying", reason="Pods", message="1 of 3")], "Pods: 1 of 3"),
        (1, 0, [], "Unknown: it has no condition yet"),
    ],
)
def test_the_state_of_an_object_is_read_from_its_conditions(
    generation: int, observed: int | None, conditions: list[Manifest], state: str
) -> None:
    status: dict[str, Any] = {"conditions": conditions}
    if observed is not None:
        status["observedGeneration"] = observed
    assert state_of({"metadata": {"generation": generation}, "status": status}) == state


@pytest.mark.parametrize(
    ("generation", "observed", "found", "final"),
    [(1, 1, BAD, True), (1, 0, BAD, True), (2, 1, BAD, False), (1, 0, CREATING, False)],
)
def test_an_error_is_final_unless_a_later_change_may_have_fixed_it(
    generation: int, observed: int, found: Manifest, final: bool
) -> None:
    status = {"observedGeneration": observed, "conditions": [found]}
    assert is_final(state_of({"metadata": {"generation": generation}, "status": status})) == final


@pytest.mark.parametrize("kind", ["Kafka", "KafkaTopic", "KafkaUser"])
def test_progress_is_told_in_the_operators_words(cluster: FakeCluster, kind: str) -> None:
    cluster.api.status[kind] = BEING_DEPLOYED
    if kind == "Kafka":
        cluster.kafka()["status"] = BEING_DEPLOYED
    labels = CLUSTER_PODS if kind == "Kafka" else {"strimzi.io/name": "data-on-eks-entity-operator"}
    cluster.api.add(pod("broker-0", reason="ContainerCreating", labels=labels))

    def become_ready() -> None:
        for each in cluster.api.of(kind).values():
            each["status"] = {"conditions": [condition("Ready")]}

    cluster.clock.due.append((20, become_ready))
    waiting = [line for line in cluster.set_up().splitlines() if f"Waiting for {kind} " in line]
    assert len(waiting) == 1, "every quarter of a minute, in a log"
    assert waiting[0].endswith(": Creating: Kafka cluster is being deployed (broker-0: ContainerCreating)")


def test_kafka_whose_pods_cannot_start_is_not_waited_for_to_the_end(cluster: FakeCluster) -> None:
    cluster.kafka()["status"] = BEING_DEPLOYED
    broker = pod("broker-0", unscheduled="0/3 nodes are available", labels=CLUSTER_PODS)
    broker["spec"]["volumes"] = [{"persistentVolumeClaim": {"claimName": "data-0-broker-0"}}]
    claim = manifest("PersistentVolumeClaim", "data-0-broker-0", status={"phase": "Pending"})
    cluster.api.add(
        broker,
        claim,
        event("broker-0", "FailedScheduling", "3 Insufficient cpu"),
        event("data-0-broker-0", "ProvisioningFailed", "no such class", "PersistentVolumeClaim"),
    )
    cluster.fails(
        "setup.sh",
        "Pod broker-0 fits on no node:\n       event Warning FailedScheduling: 3 Insufficient cpu",
        "PersistentVolumeClaim data-0-broker-0 is Pending:\n       event Warning ProvisioningFailed",
        "Kafka data-on-eks can't become Ready (Creating: Kafka cluster is being deployed): see above",
    )
    assert cluster.clock.now < 60


# Listeners


@pytest.mark.parametrize(
    ("kind", "tls", "authentication", "nameless", "rank", "words"),
    [
        ("internal", True, "scram-sha-512", "refused", 1, "TLS with SCRAM-SHA-512"),
        ("cluster-ip", True, "scram-sha-512", "free", 1, "TLS with SCRAM-SHA-512"),
        ("internal", True, "none", "free", 2, "TLS without authentication"),
        ("internal", True, "none", "refused", None, "without authentication, which authorization refuses"),
        ("internal", False, "none", "super", 5, "neither TLS nor authentication"),
        ("internal", True, "tls", "refused", 2, "TLS client certificates"),
        ("internal", True, "custom", "free", None, "authentication custom, which the apps don't know"),
        ("loadbalancer", True, "scram-sha-512", "free", None, "type loadbalancer, for clients outside of the cluster"),
    ],
)
def test_a_listener_is_judged(
    kind: str, tls: bool, authentication: str, nameless: str, rank: int | None, words: str
) -> None:
    assert judge_listener(kind, tls, authentication, nameless) == (rank, words)


PLAIN = listener("plain", 9092, False)
TLS = listener("tls", 9093, True)
PLAIN_SCRAM = listener("password", 9096, False, "scram-sha-512")
OUTSIDE = listener("outside", 9097, True, "scram-sha-512", "loadbalancer")


@pytest.mark.parametrize(
    ("listeners", "authorization", "chosen"),
    [
        ([PLAIN, TLS], "", "tls"),
        ([PLAIN], "", "plain"),
        ([PLAIN, MUTUAL], "", "plain"),
        ([MUTUAL, OUTSIDE], "", "mutual"),
        ([PLAIN, SCRAM, MUTUAL], "", "tls"),
        ([PLAIN, SCRAM, MUTUAL, PLAIN_SCRAM], "simple", "tls"),
        ([PLAIN, TLS, PLAIN_SCRAM, MUTUAL], "simple", "mutual"),
        ([PLAIN, TLS, PLAIN_SCRAM], "simple", "password"),
    ],
)
def test_the_best_listener_is_chosen(
    cluster: FakeCluster, listeners: list[Manifest], authorization: str, chosen: str
) -> None:
    cluster.kafka()["spec"]["kafka"] = {"listeners": listeners, "authorization": {"type": authorization}}
    output = cluster.set_up()
    assert f"Listener {chosen} (" in output
    for each in listeners:
        assert f"{each['name']} ({each['port']}): " in output, "each listener is spoken of"


def test_a_cluster_of_data_on_eks_gets_no_users_and_tls(cluster: FakeCluster) -> None:
    cluster.kafka()["spec"]["kafka"] = {"listeners": [PLAIN, TLS]}
    cluster.api.add(strimzi("KafkaNodePool", "controller", spec={"replicas": 3, "roles": ["controller"]}))
    cluster.api.add(strimzi("KafkaNodePool", "dual-role", spec={"replicas": 3, "roles": ["broker"]}))
    output = cluster.set_up()
    assert "Listener tls (9093): TLS without authentication" in output
    assert "not used: plain (9092): neither TLS nor authentication" in output
    assert "with 3 brokers" in output
    assert "No users: listener tls asks for none" in output
    assert cluster.api.of("KafkaUser") == {}
    assert {each["spec"]["replicas"] for each in cluster.api.of("KafkaTopic").values()} == {3}
    for release in RELEASES:
        assert cluster.values(release)["kafka"] == {
            "bootstrapServers": "data-on-eks-kafka-bootstrap:9093",
            "tls": {"enabled": True, "caSecret": "data-on-eks-cluster-ca-cert"},
            "authentication": {"type": "none"},
        }


@pytest.mark.parametrize(
    ("stated", "used"),
    [
        (
            "data-on-eks-kafka-bootstrap.kafka.svc.corp.example:9093",
            "data-on-eks-kafka-bootstrap.kafka.svc.corp.example",
        ),
        ("data-on-eks-kafka-bootstrap.kafka.svc:9093", "data-on-eks-kafka-bootstrap"),
    ],
)
def test_the_address_of_the_kafka_resource_is_used_where_it_is_another(
    cluster: FakeCluster, stated: str, used: str
) -> None:
    cluster.kafka()["status"]["listeners"] = [{"name": "tls", "bootstrapServers": stated}]
    cluster.set_up()
    assert cluster.values("clickstream-producer")["kafka"]["bootstrapServers"] == f"{used}:9093"


# The operator

OPERATOR = "strimzi-cluster-operator"
OPERATOR_LABELS = {"name": OPERATOR, "pod-template-hash": "abc"}


def operator_deployment() -> Manifest:
    template = {"metadata": {"labels": {"strimzi.io/kind": "cluster-operator"}}}
    return manifest("Deployment", OPERATOR, "apps/v1", spec={"template": template})


@pytest.fixture
def operatorless(cluster: FakeCluster) -> FakeCluster:
    """Without Strimzi, until its chart is installed."""
    cluster.without_kafka()
    served = cluster.api.kinds.pop(STRIMZI)
    start = cluster.programs.start

    def install(*command: str) -> Any:
        if OPERATOR in command:
            cluster.api.kinds[STRIMZI] = served
            definition = manifest("CustomResourceDefinition", "kafkas", "apiextensions.k8s.io/v1")
            definition["metadata"]["labels"] = {"app": "strimzi"}
            cluster.api.add(definition)
        return start(*command)

    cluster.programs.start = install  # type: ignore[method-assign]
    return cluster


def test_the_operator_is_installed_and_marked(operatorless: FakeCluster) -> None:
    operatorless.set_up("--install-operator --with-kafka dev")
    (install,) = [each for each in operatorless.programs.calls if f"upgrade --install {OPERATOR}" in each]
    assert "oci://quay.io/strimzi-helm/strimzi-kafka-operator --version 1.2.0" in install
    assert "--namespace strimzi" in install
    assert "watchAnyNamespace=true" in install
    assert r"labels.app\.kubernetes\.io/managed-by=setup.sh" in install
    definition = operatorless.api.of("CustomResourceDefinition")["kafkas"]
    assert definition["metadata"]["labels"].items() >= MADE_BY_SETUP.items()
    assert operatorless.happened.index(f"install {OPERATOR}") < operatorless.happened.index("apply Kafka/data-on-eks")


def test_the_operators_installation_reports_its_progress(operatorless: FakeCluster) -> None:
    operatorless.programs.hanging.add(OPERATOR)
    waiting = pod("operator-1", reason="ContainerCreating", labels=OPERATOR_LABELS)
    operatorless.api.add(replica_set(1, "abc", **OPERATOR_LABELS), waiting, namespace="strimzi")
    operatorless.press_ctrl_c(20)
    finished = operatorless.run("setup.sh --install-operator --with-kafka dev")
    assert "Installing Strimzi 1.2.0 in namespace strimzi" in finished.output
    assert "Waiting for strimzi-cluster-operator: operator-1: ContainerCreating\n" in finished.output
    assert operatorless.programs.stopped == [OPERATOR]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"reason": "CrashLoopBackOff", "restarts": 2, "exited": 1}, "Pod operator-1 ends again and again"),
        ({"reason": "ImagePullBackOff"}, "Pod operator-1 can't get its image localhost/app:nope"),
        ({"unscheduled": "0/1 nodes are available"}, "Pod operator-1 fits on no node"),
    ],
)
def test_an_operator_that_cannot_come_up_is_explained_at_once(
    operatorless: FakeCluster, found: dict[str, Any], message: str
) -> None:
    operatorless.programs.hanging.add(OPERATOR)
    operatorless.api.add(
        replica_set(1, "abc", **OPERATOR_LABELS),
        pod("operator-1", labels=OPERATOR_LABELS, **found),
        event("operator-1", "BackOff", "what is wrong"),
        namespace="strimzi",
    )
    operatorless.api.logs["previous operator-1"] = ["java.lang.IllegalStateException: what it said\n"]
    error = operatorless.fails(
        "setup.sh --install-operator --with-kafka dev",
        "event Warning BackOff: what is wrong",
        "Strimzi's operator does not come up: see above",
    )
    assert message in error
    assert ("java.lang.IllegalStateException: what it said" in error) == ("reason" in found and "exited" in found)
    assert "--image-registry" not in error


def test_an_operator_that_runs_elsewhere_is_left_alone(cluster: FakeCluster) -> None:
    cluster.api.add(operator_deployment(), namespace="operators")
    output = cluster.set_up("--install-operator")
    assert "Strimzi's operator is there already (operators/strimzi-cluster-operator)" in output
    assert OPERATOR not in cluster.installed()
