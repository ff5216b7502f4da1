"""Which Kafka and which listener setup.sh uses, and what it makes, with a kubectl and a helm that answer as told."""

import pytest

from kit.fake_cluster import CHANGING, LISTENER, MUTUAL, RELEASES, TOPICS, FakeCluster, changes, values_of

BEFORE_CHANGE = " (said before the last change, which its operator is not done with yet)"

# Kafka


def test_a_kafka_of_its_own_is_marked_as_made_by_setup(cluster: FakeCluster) -> None:
    cluster.answer("get namespace kafka ")
    cluster.answer("get kafkas.*range .items")
    finished = cluster.run("setup.sh", "--with-kafka", "dev")
    assert finished.status == 0, finished.error
    namespace, *topics = finished.called("label --local .*managed-by=setup.sh$")
    assert all("kind: KafkaTopic" in each.stdin for each in topics)
    (kafka,) = finished.called("label --local .*managed-by=setup.sh app.kubernetes.io/instance=data-on-eks")
    assert "kind: KafkaNodePool" in kafka.stdin
    assert finished.calls.index(namespace) < finished.calls.index(kafka)
    assert finished.called("kubectl .* apply -f -")[0].stdin == kafka.stdin


def test_a_kafka_that_somebody_else_made_is_used_as_it_is(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--with-kafka", "eks")
    assert finished.status == 0, finished.error
    assert "setup.sh did not make it: used as it is" in finished.output
    assert not [each for each in finished.called("apply -f -") if "kind: Kafka\n" in each.stdin]


def test_a_kafka_made_as_dev_does_not_become_eks(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.* data-on-eks --ignore-not-found.*managed-by", "setup.sh")
    cluster.answer("get kafkanodepools.*metadata.name", "broker\ncontroller\n")
    finished = cluster.run("setup.sh", "--with-kafka", "dev")
    assert finished.status == 1
    assert "Kafka data-on-eks was made another way, with node pool broker" in finished.error
    assert changes(finished) == []


def test_volumes_of_an_earlier_kafka_are_refused_because_a_new_one_would_not_start(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*range .items")
    cluster.answer("get persistentvolumeclaims", "persistentvolumeclaim/data-0-data-on-eks-dual-role-0\n")
    finished = cluster.run("setup.sh", "--with-kafka", "dev")
    assert finished.status == 1
    assert "kubectl delete pvc -n kafka -l strimzi.io/cluster=data-on-eks" in finished.error
    assert changes(finished) == []


def test_a_missing_storage_class_is_named(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*range .items")
    cluster.answer("kustomize .*/overlays/eks/kafka", "kind: Kafka\nspec:\n      class: gp3\n")
    cluster.answer("get storageclasses", "gp2 standard ")
    finished = cluster.run("setup.sh", "--with-kafka", "eks")
    assert finished.status == 1
    assert "needs the storage class gp3, and this cluster has gp2 standard" in finished.error
    assert changes(finished) == []


def test_a_kafka_that_does_not_become_ready_is_explained_when_the_time_is_over(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=condition=Ready .*kafkas", status=1)
    cluster.answer("get kafkas.*observedGeneration", "1|1|NotReady=True Creating: waiting for pods|")
    cluster.answer(r"get kafkas.*condition .\.type", "condition NotReady=True Creating waiting for pods\n")
    cluster.answer("get pods .*strimzi.io/cluster=data-on-eks.*Ready", "data-on-eks-dual-role-0|False\n")
    cluster.answer("get events .*name=data-on-eks-dual-role-0", "event Warning FailedScheduling: no node has 768Mi\n")
    finished = cluster.run("setup.sh", "--timeout", "1s")
    assert finished.status == 1
    assert "Kafka data-on-eks in namespace kafka: Creating: waiting for pods" in finished.error
    assert "event Warning FailedScheduling: no node has 768Mi" in finished.error
    assert "Kafka data-on-eks is not Ready after 1s" in finished.error
    assert finished.called(CHANGING) == []


def test_an_operator_that_says_nothing_is_not_waited_for_to_the_end(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=condition=Ready", status=1)
    cluster.answer("get kafkas.*observedGeneration", "1||")
    finished = cluster.source("LONGEST_SILENCE=0", 'wait_until_ready "$KAFKAS" data-on-eks')
    assert finished.status == 1
    assert "no Deployment of Strimzi's operator is to be seen in this cluster" in finished.error
    assert "no operator is reconciling Kafka data-on-eks" in finished.error


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("2|2|Ready=True : |", "Ready"),
        ("2|1|Ready=True : |", "Changed: its operator is not done with the last change yet"),
        ("1||", "silence"),
        ("1||NotReady=True Creating: Kafka cluster is being deployed|", "Creating: Kafka cluster is being deployed"),
        ("1|1|", "Unknown: it has no condition yet"),
        ("1|1|Warning=True Old: x|Ready=True : |", "Ready"),
        ("1|1|NotReady=True Creating: two\nlines|", "Creating: two lines"),
        (
            "1|1|Ready=False NotSupported: Decreasing partitions not supported|",
            "NotSupported: Decreasing partitions not supported",
        ),
        ("1|1|Unmanaged=True : |", "Unmanaged"),
        # As Strimzi 1.2 says while it makes a Kafka.
        ("1|0|NotReady=True Creating: Kafka cluster is being deployed|", "Creating: Kafka cluster is being deployed"),
        (
            "3|2|NotReady=True InvalidResourceException: no such listener|",
            f"InvalidResourceException: no such listener{BEFORE_CHANGE}",
        ),
        ("1|0|Warning=True Old: x|Creating=True : being deployed|", "Creating: being deployed"),
        ("1|0|Deploying=True Pods: 1 of 3|", "Pods: 1 of 3"),
        ("1|0|", "Unknown: it has no condition yet"),
    ],
)
def test_the_state_of_an_object_is_read_from_its_conditions(cluster: FakeCluster, answer: str, state: str) -> None:
    cluster.answer("get kafkatopics", answer)
    assert cluster.source('state_of "$TOPICS" clickstream-events').output == f"{state}\n"


@pytest.mark.parametrize(
    ("answer", "final"),
    [
        ("1|1|NotReady=True InvalidResourceException: bad|", True),
        ("1|0|NotReady=True InvalidResourceException: bad|", True),
        ("2|1|NotReady=True InvalidResourceException: bad|", False),
        ("1|0|NotReady=True Creating: Kafka cluster is being deployed|", False),
    ],
)
def test_an_error_is_final_unless_a_later_change_may_have_mended_it(
    cluster: FakeCluster, answer: str, final: bool
) -> None:
    cluster.answer("get kafkas.*observedGeneration", answer)
    finished = cluster.source('is_final "$(state_of "$KAFKAS" data-on-eks)" && echo final || echo passing')
    assert finished.output == ("final\n" if final else "passing\n")


HURRY = "sleep() { SECONDS=$((SECONDS + 16)); }"
"""Lets a second of waiting be a quarter of a minute."""


@pytest.mark.parametrize(("resource", "kind"), [("KAFKAS", "Kafka"), ("TOPICS", "KafkaTopic"), ("USERS", "KafkaUser")])
def test_progress_is_told_in_the_operators_words(cluster: FakeCluster, resource: str, kind: str) -> None:
    cluster.answer("wait --for=condition=Ready", status=1)
    creating = "1|0|NotReady=True Creating: it is being deployed|"
    cluster.answer("get kafka.* x .*observedGeneration", *[creating] * 4, "1|1|Ready=True : |")
    cluster.answer("get pods -l strimzi.io/", "broker-0|False|0|ContainerCreating| |\n")
    finished = cluster.source(HURRY, f'wait_until_ready "${resource}" x')
    assert finished.status == 0, finished.error
    assert f"Waiting for {kind} x: Creating: it is being deployed (broker-0: ContainerCreating)\n" in finished.output


def test_kafka_whose_pods_cannot_start_is_not_waited_for_to_the_end(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=condition=Ready .*kafkas", status=1)
    cluster.answer("get kafkas.*observedGeneration", "1|0|NotReady=True Creating: Kafka cluster is being deployed|")
    cluster.answer("get pods -l strimzi.io/cluster=data-on-eks ", "broker-0|False||| |0/3 nodes are available\n")
    cluster.answer("get events .*name=broker-0", "event Warning FailedScheduling: 3 Insufficient cpu\n")
    cluster.answer("get pod broker-0 .*claimName", "data-0-broker-0")
    cluster.answer("get persistentvolumeclaim data-0-broker-0", "Pending")
    cluster.answer("get events .*name=data-0-broker-0", "event Warning ProvisioningFailed: no such class\n")
    finished = cluster.source(HURRY, 'wait_until_ready "$KAFKAS" data-on-eks')
    assert finished.status == 1
    assert "Pod broker-0 fits on no node:\n       event Warning FailedScheduling: 3 Insufficient cpu" in finished.error
    assert (
        "PersistentVolumeClaim data-0-broker-0 is Pending:\n       event Warning ProvisioningFailed" in finished.error
    )
    assert (
        "Kafka data-on-eks can't become Ready (Creating: Kafka cluster is being deployed): see above" in finished.error
    )


def test_kafka_without_a_topic_operator_is_refused(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*entityOperator", "|{}\n")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "add spec.entityOperator.topicOperator: {}" in finished.error
    assert changes(finished) == []


# Listeners


@pytest.mark.parametrize(
    ("kind", "tls", "authentication", "nameless", "verdict"),
    [
        ("internal", "true", "scram-sha-512", "refused", "1|TLS with SCRAM-SHA-512"),
        ("cluster-ip", "true", "scram-sha-512", "free", "1|TLS with SCRAM-SHA-512"),
        ("internal", "true", "none", "free", "2|TLS without authentication"),
        ("internal", "true", "none", "refused", "-|without authentication, which authorization refuses"),
        ("internal", "false", "none", "super", "5|neither TLS nor authentication"),
        ("internal", "true", "tls", "refused", "2|TLS client certificates"),
        ("internal", "true", "custom", "free", "-|authentication custom, which the apps don't know"),
        ("loadbalancer", "true", "scram-sha-512", "free", "-|type loadbalancer, for clients outside of the cluster"),
    ],
)
def test_a_listener_is_judged(
    cluster: FakeCluster, kind: str, tls: str, authentication: str, nameless: str, verdict: str
) -> None:
    assert cluster.source(f"judge_listener {kind} {tls} {authentication} {nameless}").output == f"{verdict}\n"


PLAIN = "plain|9092|internal|false||\n"
TLS = "tls|9093|internal|true||\n"
SCRAM = "scram|9094|internal|true|scram-sha-512|\n"
PLAIN_SCRAM = "password|9096|internal|false|scram-sha-512|\n"
OUTSIDE = "outside|9097|loadbalancer|true|scram-sha-512|\n"


@pytest.mark.parametrize(
    ("listeners", "authorization", "chosen"),
    [
        (PLAIN + TLS, "", "tls"),
        (PLAIN, "", "plain"),
        (PLAIN + MUTUAL, "", "plain"),
        (MUTUAL + OUTSIDE, "", "mutual"),
        (PLAIN + TLS + SCRAM + MUTUAL, "", "scram"),
        (PLAIN + TLS + SCRAM + MUTUAL + PLAIN_SCRAM, "simple", "scram"),
        (PLAIN + TLS + PLAIN_SCRAM + MUTUAL, "simple", "mutual"),
        (PLAIN + TLS + PLAIN_SCRAM, "simple", "password"),
    ],
)
def test_the_best_listener_is_chosen(cluster: FakeCluster, listeners: str, authorization: str, chosen: str) -> None:
    cluster.answer(LISTENER, listeners)
    cluster.answer("get kafkas.*superUsers", f"{authorization}|\n")
    finished = cluster.source("choose_listener", 'echo "chosen: $LISTENER"')
    assert f"chosen: {chosen}\n" in finished.output
    for line in listeners.splitlines():
        assert line.split("|")[0] in finished.output, "each listener is spoken of"


def test_a_cluster_of_data_on_eks_gets_no_users_and_tls(cluster: FakeCluster) -> None:
    cluster.answer(LISTENER, PLAIN + TLS)
    cluster.answer("get kafkas.*superUsers", "|\n")
    cluster.answer("get kafkanodepools.*spec.replicas", '3|["controller"]\n3|["broker"]\n')
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert "Listener tls (9093): TLS without authentication" in finished.output
    assert "not used: plain (9092): neither TLS nor authentication" in finished.output
    assert "with 3 brokers" in finished.output
    assert finished.called("base/users|apply -f -") == []
    created = [each.stdin for each in finished.called("create --save-config -f -")]
    assert len(created) == len(TOPICS)
    assert all("replicas: 3" in each for each in created)
    for release in RELEASES:
        values = values_of(finished, release)
        assert 'bootstrapServers: "data-on-eks-kafka-bootstrap:9093"' in values
        assert 'tls: {enabled: true, caSecret: "data-on-eks-cluster-ca-cert"}' in values
        assert 'authentication: {type: "none"}' in values


def test_a_cluster_without_a_usable_listener_is_refused_with_the_reasons(cluster: FakeCluster) -> None:
    cluster.answer(LISTENER, PLAIN + OUTSIDE)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "plain (9092): without authentication, which authorization refuses; outside (9097): type loadbalancer" in (
        finished.error
    )
    assert changes(finished) == []


def test_the_address_of_the_kafka_resource_is_used_where_it_is_another(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*status.listeners", "data-on-eks-kafka-bootstrap.kafka.svc.corp.example:9093")
    finished = cluster.run("setup.sh")
    assert 'bootstrapServers: "data-on-eks-kafka-bootstrap.kafka.svc.corp.example:9093"' in (
        values_of(finished, "clickstream-producer")
    )


# The operator


INSTALLING = ("INSTALL_OPERATOR=yes WORK=$HOME HELM=",)


def operatorless(cluster: FakeCluster) -> None:
    cluster.answer(" api-versions", "v1\n", "v1\nkafka.strimzi.io/v1\n")
    kinds = '"kind":"Kafka" "kind":"KafkaNodePool" "kind":"KafkaTopic" "kind":"KafkaUser"'
    # Asked twice before the operator is installed.
    cluster.answer("get --raw=/apis/kafka", "", "", kinds)


def test_the_operator_is_installed_and_marked(cluster: FakeCluster) -> None:
    operatorless(cluster)
    finished = cluster.run("setup.sh", "--install-operator", "--with-kafka", "dev")
    assert finished.status == 0, finished.error
    (install,) = finished.called("helm .*upgrade --install strimzi-cluster-operator")
    assert "oci://quay.io/strimzi-helm/strimzi-kafka-operator --version 1.2.0" in install.call
    assert "--namespace=strimzi" in install.call
    assert "watchAnyNamespace=true" in install.call
    assert r"labels.app\.kubernetes\.io/managed-by=setup.sh" in install.call
    assert finished.called("label customresourcedefinitions -l app=strimzi .*managed-by=setup.sh")


def test_the_operators_installation_tells_of_its_progress(cluster: FakeCluster) -> None:
    cluster.answer("helm .*upgrade --install strimzi-cluster-operator", takes=1.5)
    cluster.answer("--namespace=strimzi get replicasets.* -l name=strimzi-cluster-operator", "1|abc|\n")
    pods = "--namespace=strimzi get pods -l name=strimzi-cluster-operator,pod-template-hash=abc"
    cluster.answer(pods, "operator-1|False|0|ContainerCreating| |\n")
    finished = cluster.source(
        *INSTALLING, "sleep() { command sleep 0.5; SECONDS=$((SECONDS + 16)); }", "install_operator"
    )
    assert finished.status == 0, finished.error
    assert "Installing Strimzi 1.2.0 in namespace strimzi" in finished.output
    assert "Waiting for strimzi-cluster-operator: operator-1: ContainerCreating\n" in finished.output
    assert "Strimzi's operator runs" in finished.output


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        ("operator-1|False|2|CrashLoopBackOff| 1|\n", "Pod operator-1 ends again and again"),
        (
            "operator-1|False|0|ImagePullBackOff| |\n",
            "Pod operator-1 can't get its image quay.io/strimzi/operator:1.2.0",
        ),
        ("operator-1|False||| |0/1 nodes are available\n", "Pod operator-1 fits on no node"),
    ],
)
def test_an_operator_that_cannot_come_up_is_explained_at_once(cluster: FakeCluster, pod: str, message: str) -> None:
    cluster.answer("helm .*upgrade --install strimzi-cluster-operator", takes=60)
    cluster.answer("--namespace=strimzi get replicasets", "1|abc|\n")
    cluster.answer("--namespace=strimzi get pods -l name=strimzi-cluster-operator,pod-template-hash=abc", pod)
    cluster.answer("--namespace=strimzi get pod operator-1 .*image", "quay.io/strimzi/operator:1.2.0")
    cluster.answer("get events --namespace=strimzi .*name=operator-1", "event Warning BackOff: what is wrong\n")
    cluster.answer(
        "--namespace=strimzi logs operator-1 .*--previous", "java.lang.IllegalStateException: what it said\n"
    )
    finished = cluster.source(*INSTALLING, HURRY, "install_operator")
    assert finished.status == 1
    assert message in finished.error
    assert "event Warning BackOff: what is wrong" in finished.error
    assert ("java.lang.IllegalStateException: what it said" in finished.error) == ("CrashLoop" in pod)
    assert "--image-registry" not in finished.error
    assert "Strimzi's operator does not come up: see above" in finished.error


def test_an_operator_that_runs_elsewhere_is_left_alone(cluster: FakeCluster) -> None:
    cluster.answer("get deployments.apps --all-namespaces", "operators/strimzi-cluster-operator\n")
    finished = cluster.run("setup.sh", "--install-operator")
    assert finished.status == 0, finished.error
    assert "Strimzi's operator is there already (operators/strimzi-cluster-operator)" in finished.output
    assert finished.called("strimzi-kafka-operator") == []
