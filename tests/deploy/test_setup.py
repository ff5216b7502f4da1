"""What setup.sh decides, with a kubectl and a helm that answer as each test says."""

import os
from pathlib import Path

import pytest

from kit.fake_cluster import RELEASES, ROOT, TOPICS, FakeCluster, Finished, healthy_cluster

CHANGING = r"^kubectl .*(create|apply|delete|label|patch) |^helm .*(upgrade|install|uninstall|rollback) "
LISTENER = "get kafkas.*spec.kafka.listeners"


@pytest.fixture
def cluster(tmp_path: Path) -> FakeCluster:
    return healthy_cluster(tmp_path / "fake")


def changes(finished: Finished) -> list[str]:
    """The calls that change something in the cluster."""
    calls = [each.call for each in finished.called(CHANGING)]
    return [each for each in calls if "--dry-run" not in each and "--local" not in each]


def values_of(finished: Finished, release: str) -> str:
    """All values that helm was given for a release, the last files last."""
    (upgrade,) = finished.called(f"helm upgrade --install {release} ")
    return "".join(upgrade.values)


# Options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--namespace"], "--namespace needs a value"),
        (["--namespace="], "--namespace needs a value that is not empty"),
        (["--namespace", "--dry-run"], "--namespace needs a value, not the option --dry-run"),
        (["--namespace", "Kafka"], "--namespace=Kafka: expected lower-case letters"),
        (["--namespace", "a" * 64], "at most 63"),
        (["--cluster-name=-x"], "--cluster-name=-x: expected"),
        (["--with-kafka", "big"], "--with-kafka=big: expected dev (one node) or eks"),
        (["--image-registry", "https://ghcr.io/x"], "without https://"),
        (["--image-registry", "ghcr.io/x/"], "--image-registry=ghcr.io/x/: expected"),
        (["--image-tag", "sha256:12ab"], "a digest is image.digest"),
        (["--window-size", "5"], "--window-size=5: expected whole seconds from 1s to 1d"),
        (["--window-size", "500ms"], "--window-size=500ms: expected whole seconds"),
        (["--window-size", "25h"], "--window-size=25h: expected whole seconds"),
        (["--window-size", "0s"], "--window-size=0s: expected whole seconds"),
        (["--rate", "0"], "--rate=0: expected events per second from 0.001 to 100000"),
        (["--rate", "100001"], "--rate=100001: expected events per second"),
        (["--rate", "08"], "--rate=08: expected events per second"),
        (["--rate", "1e3"], "--rate=1e3: expected events per second"),
        (["--timeout", "10"], "--timeout=10: expected a duration"),
        (["--timeout", "0m"], "--timeout=0m: expected a duration"),
        (["--values", "missing.yaml"], "the file missing.yaml can't be read"),
        (["--values", "."], "the file . can't be read"),
        (["--values", "clickstream-streams=x.yaml"], "there is no release clickstream-streams; expected one of"),
        (["--dry-run=client"], "unexpected argument client"),
        (["--verbose"], "unknown option --verbose"),
        (["-n", "kafka"], "unknown option -n"),
        (["dev"], "unexpected argument dev"),
        (["--dry-run", "--local"], "--local must come first"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line_before_anything_is_asked(
    cluster: FakeCluster, arguments: list[str], message: str
) -> None:
    finished = cluster.run("setup.sh", *arguments)
    assert finished.status == 2
    assert message in finished.error
    assert finished.error.startswith("setup.sh: ")
    assert finished.error.count("\n") == 1
    assert finished.calls == ()


def test_help_is_there_without_a_cluster(cluster: FakeCluster) -> None:
    cluster.remove("kubectl")
    finished = cluster.run("setup.sh", "--help")
    assert finished.status == 0
    for option in ("--with-kafka dev|eks", "--install-operator", "--values [RELEASE=]FILE", "--local", "--dry-run"):
        assert option in finished.output


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("2000ms", 2), ("90s", 90), ("10m", 600), ("08m", 480), ("1h", 3600), ("1d", 86400)],
)
def test_a_duration_is_a_number_and_a_unit(cluster: FakeCluster, text: str, seconds: int) -> None:
    assert cluster.source(f"seconds_of {text}").output == f"{seconds}\n"


@pytest.mark.parametrize("rate", ["0.001", "10", "0.5", "100000"])
def test_a_rate_may_have_a_fraction(cluster: FakeCluster, rate: str) -> None:
    finished = cluster.run("setup.sh", "--rate", rate)
    assert finished.status == 0, finished.error
    assert f"rate: {rate}" in values_of(finished, "clickstream-producer")


# Before anything is touched


def test_without_kubectl_it_says_so(cluster: FakeCluster) -> None:
    cluster.remove("kubectl")
    finished = cluster.run("setup.sh")
    assert (finished.status, finished.calls) == (1, ())
    assert "there is no kubectl on the PATH: install it" in finished.error


def test_without_helm_it_says_so(cluster: FakeCluster) -> None:
    cluster.remove("helm")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "there is no helm on the PATH: install helm 3.13 or newer" in finished.error


@pytest.mark.parametrize(
    ("version", "fits"), [("v3.12.3+g1", False), ("v2.17.0", False), ("v3.13.0", True), ("v4.0.1", True)]
)
def test_helm_must_know_oci_charts(cluster: FakeCluster, version: str, fits: bool) -> None:
    cluster.answer("helm version", f"{version}\n")
    finished = cluster.run("setup.sh")
    assert (finished.status == 0) == fits
    assert fits or f"helm is {version}: install helm 3.13 or newer" in finished.error


def test_a_cluster_that_does_not_answer_is_named_with_the_reason(cluster: FakeCluster) -> None:
    cluster.answer("get --raw=/version", error="noise\nUnable to connect to the server: i/o timeout\n", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert (
        "the cluster of context fake does not answer (Unable to connect to the server: i/o timeout)" in finished.error
    )


def test_without_a_context_it_names_those_that_there_are(cluster: FakeCluster) -> None:
    cluster.answer("config current-context", status=1)
    cluster.answer("config get-contexts", "kind-a\nkind-b\n")
    cluster.answer("get --raw=/version", status=1)
    finished = cluster.run("setup.sh")
    assert "no current context: choose one of kind-a kind-b with kubectl config use-context" in finished.error


def test_without_any_context_it_says_where_one_comes_from(cluster: FakeCluster) -> None:
    cluster.answer("config current-context", status=1)
    cluster.answer("get --raw=/version", status=1)
    finished = cluster.run("setup.sh")
    assert "kubectl knows no cluster: set KUBECONFIG, or on EKS run aws eks update-kubeconfig" in finished.error


def test_it_stays_on_the_context_of_its_start(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0
    elsewhere = r"^kubectl (?!--context=fake|config current-context|kustomize|(patch|label) --local)"
    assert finished.called(elsewhere) == []
    assert finished.called("^helm (?!version|dependency|.*--kube-context[ =]fake)") == []


def test_without_strimzi_it_says_how_to_get_it(cluster: FakeCluster) -> None:
    cluster.answer(" api-versions", "v1\napps/v1\n")
    cluster.answer("get --raw=/apis/kafka", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "./setup.sh --install-operator installs 1.2.0" in finished.error
    assert "oci://quay.io/strimzi-helm/strimzi-kafka-operator --version 1.2.0" in finished.error
    assert changes(finished) == []


@pytest.mark.parametrize("options", [[], ["--install-operator"]])
def test_a_strimzi_without_v1_must_be_upgraded(cluster: FakeCluster, options: list[str]) -> None:
    cluster.answer(" api-versions", "v1\nkafka.strimzi.io/v1beta2\n")
    cluster.answer("get --raw=/apis/kafka", status=1)
    finished = cluster.run("setup.sh", *options)
    assert finished.status == 1
    assert "kafka.strimzi.io/v1beta2" in finished.error
    assert "1.2.0 or newer" in finished.error
    assert changes(finished) == []


def test_a_missing_kafka_is_answered_with_those_of_the_namespace(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--cluster-name", "other")
    assert finished.status == 1
    assert (
        "there is no Kafka other in namespace kafka: choose with --cluster-name one of those that are: data-on-eks"
        in (finished.error)
    )


def test_a_namespace_without_kafka_is_answered_with_those_that_have_one(cluster: FakeCluster) -> None:
    cluster.answer("--namespace=elsewhere get kafkas.*range .items")
    cluster.answer("get kafkas.* --all-namespaces", "kafka/data-on-eks\nteam/events\n")
    finished = cluster.run("setup.sh", "--namespace", "elsewhere")
    assert finished.status == 1
    assert "there is no Kafka in namespace elsewhere, but there are (namespace/name) kafka/data-on-eks team/events" in (
        finished.error
    )


def test_no_kafka_at_all_is_answered_with_how_to_make_one(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*range .items")
    finished = cluster.run("setup.sh")
    assert (
        "./setup.sh --with-kafka dev (one node) or --with-kafka eks (three brokers) makes data-on-eks" in finished.error
    )


def test_missing_rights_are_named_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.answer("auth can-i (create kafkatopics|patch deployment)", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "create kafkatopics.kafka.strimzi.io, create deployment" not in finished.error
    assert "in namespace kafka: create kafkatopics.kafka.strimzi.io, patch deployment" in finished.error
    assert changes(finished) == []


def test_values_that_a_chart_refuses_are_shown_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.answer("helm template clickstream-producer", error="Error: at '/rate': got string, want number\n", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "at '/rate': got string, want number" in finished.error
    assert "the values for clickstream-producer are refused: see above" in finished.error
    assert changes(finished) == []


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("pending-install", "helm uninstall clickstream-consumer -n kafka"),
        ("pending-upgrade", "helm rollback clickstream-consumer -n kafka"),
    ],
)
def test_a_release_that_helm_left_half_done_is_explained(cluster: FakeCluster, status: str, remedy: str) -> None:
    cluster.answer("helm .*status clickstream-consumer", f"NAME: clickstream-consumer\nSTATUS: {status}\n")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert f"release clickstream-consumer is {status}" in finished.error
    assert remedy in finished.error
    assert changes(finished) == []


# Kafka


def test_a_kafka_of_its_own_is_marked_as_made_by_setup(cluster: FakeCluster) -> None:
    cluster.answer("get namespace kafka ")
    cluster.answer("get kafkas.*range .items")
    finished = cluster.run("setup.sh", "--with-kafka", "dev")
    assert finished.status == 0, finished.error
    (namespace,) = finished.called("label --local .*managed-by=setup.sh$")
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
    assert "no operator takes notice of Kafka data-on-eks" in finished.error


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
    ],
)
def test_the_state_of_an_object_is_read_from_its_conditions(cluster: FakeCluster, answer: str, state: str) -> None:
    cluster.answer("get kafkatopics", answer)
    assert cluster.source('state_of "$TOPICS" clickstream-events').output == f"{state}\n"


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
MUTUAL = "mutual|9095|internal|true|tls|\n"
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


def test_the_references_own_cluster_gets_no_users_and_tls(cluster: FakeCluster) -> None:
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


# Topics and users


def test_a_small_cluster_gets_the_topics_with_one_replica(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    created = {
        each.stdin.split("name: ")[1].split()[0]: each.stdin for each in finished.called("create --save-config -f -")
    }
    assert sorted(created) == sorted(TOPICS)
    assert all("replicas: 1" in each for each in created.values())
    (wait,) = finished.called("wait --for=condition=Ready .*kafkatopics")
    assert all(f"kafkatopics.kafka.strimzi.io/{name}" in wait.call for name in TOPICS)


def test_topics_that_are_there_are_left_as_they_are(cluster: FakeCluster) -> None:
    cluster.answer("get kafkatopics.* clickstream-events ", "there|data-on-eks||12|2")
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert len(finished.called("create --save-config -f -")) == len(TOPICS) - 1
    assert not [each for each in finished.calls if "name: clickstream-events" in each.stdin]
    assert "topic clickstream-events has 12 partitions (a new one would get 6): left as it is" in finished.output
    assert "topic clickstream-events has 2 replicas (a new one would get 1): left as it is" in finished.output


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("there|other||6|1", "belongs to Kafka other, not to data-on-eks: use --cluster-name other"),
        ("there|data-on-eks|2026-01-01T00:00:00Z|6|1", "KafkaTopic clickstream-metrics is being deleted"),
    ],
)
def test_a_topic_that_is_not_to_be_used_stops_it_before_one_is_made(
    cluster: FakeCluster, answer: str, message: str
) -> None:
    cluster.answer("get kafkatopics.* clickstream-metrics ", answer)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert message in finished.error
    assert changes(finished) == []


def test_a_topic_that_cannot_become_ready_is_explained(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=condition=Ready .*kafkatopics", status=1)
    cluster.answer(
        "get kafkatopics.*observedGeneration", "1|1|Ready=False KafkaError: replication factor: 3 larger than 1|"
    )
    cluster.answer("logs deployment/data-on-eks-entity-operator", "the operator's log\n")
    cluster.answer("get deployment data-on-eks-entity-operator", "deployment.apps/data-on-eks-entity-operator\n")
    finished = cluster.run("setup.sh", "--timeout", "1s")
    assert finished.status == 1
    assert "replication factor: 3 larger than 1" in finished.error
    assert "the operator's log" in finished.error
    assert finished.called("helm upgrade") == []


def test_users_are_made_for_the_listeners_authentication(cluster: FakeCluster) -> None:
    scram = cluster.run("setup.sh")
    assert scram.called("patch --local") == []
    cluster.answer(LISTENER, MUTUAL)
    mutual = cluster.run("setup.sh")
    (patch,) = mutual.called("patch --local")
    assert '{"op":"replace","path":"/spec/authentication","value":{"type":"tls"}}' in patch.call
    assert "/spec/authorization" not in patch.call
    assert 'authentication: {type: "tls"}' in values_of(mutual, "clickstream-producer")


def test_users_of_a_cluster_without_authorization_have_no_acls(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*superUsers", "|\n")
    finished = cluster.run("setup.sh")
    (patch,) = finished.called("patch --local")
    assert '{"op":"remove","path":"/spec/authorization"}' in patch.call
    assert "/spec/authentication" not in patch.call


def test_a_user_of_another_cluster_is_not_taken_over(cluster: FakeCluster) -> None:
    cluster.answer("get kafkausers.* clickstream-producer ", "other")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "KafkaUser clickstream-producer in namespace kafka belongs to Kafka other" in finished.error
    assert finished.called("apply -f -") == []


def test_another_cluster_name_is_put_into_the_manifests(cluster: FakeCluster) -> None:
    cluster.answer("get kafkas.*range .items", "kafka/events\n")
    finished = cluster.run("setup.sh", "--cluster-name", "events")
    assert finished.status == 0, finished.error
    manifests = "".join(each.stdin for each in finished.called("(create --save-config|apply) -f -"))
    assert "strimzi.io/cluster: events" in manifests
    assert "data-on-eks" not in manifests


# Releases


def test_the_releases_come_in_the_order_in_which_nothing_is_missed(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    installed = [each.call.split()[3] for each in finished.called("helm upgrade --install")]
    assert installed == list(RELEASES)
    assert all("--wait" in each.call for each in finished.called("helm upgrade --install"))
    for command in (
        "kubectl logs -f deployment/clickstream-consumer -n kafka",
        "kubectl get pods -n kafka | grep clickstream",
        "kubectl scale deployment clickstream-streams-processor -n kafka --replicas=3",
        "./cleanup.sh",
    ):
        assert command in finished.output


def test_options_win_over_files_and_files_over_what_kafka_says(cluster: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("image: {tag: from-all}\n")
    (tmp_path / "one.yaml").write_text("windowSize: 7s\n")
    options = ["--values", "all.yaml", "--values", "clickstream-streams-processor=one.yaml"]
    more = ["--image-tag=9.9.9", "--image-registry", "ghcr.io/example", "--window-size", "30s", "--rate", "50"]
    finished = cluster.run("setup.sh", *options, *more, folder=tmp_path)
    assert finished.status == 0, finished.error
    (upgrade,) = finished.called("helm upgrade --install clickstream-streams-processor ")
    kafka, everywhere, here, chosen = upgrade.values
    assert "bootstrapServers" in kafka
    assert (everywhere, here) == ("image: {tag: from-all}", "windowSize: 7s")
    assert chosen == 'image:\n  registry: "ghcr.io/example"\n  tag: "9.9.9"\nwindowSize: "30s"'
    (producer,) = finished.called("helm upgrade --install clickstream-producer ")
    assert producer.values[-1].endswith("rate: 50")
    assert "windowSize" not in "".join(producer.values)


def test_it_works_from_any_folder(cluster: FakeCluster, tmp_path: Path) -> None:
    finished = cluster.run("setup.sh", folder=tmp_path)
    assert finished.status == 0, finished.error
    assert finished.called(f"kustomize {ROOT}/strimzi/overlays/dev/topics")


def test_a_failed_upgrade_shows_helms_words_the_pods_and_the_way_back(cluster: FakeCluster) -> None:
    cluster.answer("helm upgrade --install clickstream-consumer", "Error: context deadline exceeded\n", status=1)
    cluster.answer("get pods .*instance=clickstream-consumer.*Ready", "clickstream-consumer-1|False\n")
    cluster.answer("logs clickstream-consumer-1 ", "what the app said last\n")
    cluster.answer(
        "helm .*history",
        "REVISION UPDATED STATUS\n1 Sun Nov 22 superseded x\n2 Sun Nov 22 deployed x\n3 Sun Nov 22 failed x\n",
    )
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "context deadline exceeded" in finished.error
    assert "what the app said last" in finished.error
    assert "what ran before comes back with helm rollback clickstream-consumer 2 -n kafka" in finished.error
    assert finished.called("helm upgrade --install clickstream-producer") == []


@pytest.mark.parametrize(
    ("pod", "troubled"),
    [
        ("app-1|False|0|ErrImagePull|\n", "ErrImagePull"),
        ("app-1|False|0|ImagePullBackOff|\n", "ImagePullBackOff"),
        ("app-1|False|0|CreateContainerConfigError|\n", "CreateContainerConfigError"),
        ("app-1|False|3|CrashLoopBackOff|\n", "CrashLoopBackOff"),
        ("app-1|False|1|CrashLoopBackOff|\n", ""),
        ("app-1|False|0|ContainerCreating|\n", ""),
        ("app-1|False||PodInitializing|0/3 nodes are available\n", ""),
        ("app-1|True|5||\n", ""),
    ],
)
def test_trouble_that_lasts_is_not_waited_out(cluster: FakeCluster, pod: str, troubled: str) -> None:
    cluster.answer("get replicasets", "1|old\n3|new\n2|older\n")
    cluster.answer("get pods .*pod-template-hash=new", pod)
    finished = cluster.source(
        "begin_watch app", "look_at_pods", 'echo "at once: $TROUBLE"', "SECONDS=$((SECONDS + LONGEST_TROUBLE))",
        "look_at_pods", 'echo "later: $TROUBLE"',
    )  # fmt: skip
    assert finished.output == f"at once: \nlater: {troubled}\n"


def test_a_pod_of_an_earlier_revision_is_nobodys_trouble(cluster: FakeCluster) -> None:
    cluster.answer("get replicasets", "1|old\n2|new\n")
    cluster.answer("get pods .*pod-template-hash=old", "app-1|False|0|ErrImagePull|\n")
    finished = cluster.source("begin_watch app", "look_at_pods", 'echo "$SUSPECT."')
    assert finished.output == ".\n"


def test_an_image_that_is_not_there_is_explained(cluster: FakeCluster) -> None:
    cluster.answer("get pod app-1 .*image", "localhost/clickstream-consumer:nope")
    cluster.answer("get events .*name=app-1", "event Warning Failed: not found\n")
    finished = cluster.source("TROUBLE=ErrImagePull TROUBLED=app-1", "explain_trouble")
    assert "Pod app-1 can't get its image localhost/clickstream-consumer:nope (ErrImagePull)" in finished.error
    assert "event Warning Failed: not found" in finished.error
    assert "--image-registry" in finished.error


def test_ctrl_c_says_how_to_go_on_and_lets_helm_end(cluster: FakeCluster) -> None:
    cluster.answer("helm upgrade --install clickstream-consumer", takes=60)
    finished = cluster.run("setup.sh", interrupt_at="Users are Ready")
    assert finished.status == 130
    assert "setup.sh: interrupted after" in finished.error
    assert "setup.sh with the same options goes on from there, cleanup.sh removes it" in finished.error
    assert finished.called("helm upgrade --install clickstream-producer") == []
    assert [each.name for each in cluster.folder.glob("tmp.*")] == []


def test_a_command_that_fails_unexpectedly_does_not_end_it_silently(cluster: FakeCluster) -> None:
    cluster.answer("create --save-config -f -", error="the server is in trouble\n", status=1)
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "the server is in trouble" in finished.error
    assert "a command failed after" in finished.error


# The operator


def operatorless(cluster: FakeCluster) -> None:
    cluster.answer(" api-versions", "v1\n", "v1\nkafka.strimzi.io/v1\n")
    kinds = '"kind":"Kafka" "kind":"KafkaNodePool" "kind":"KafkaTopic" "kind":"KafkaUser"'
    # Asked three times before the operator is installed.
    cluster.answer("get --raw=/apis/kafka", "", "", "", kinds)


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


def test_an_operator_that_runs_elsewhere_is_left_alone(cluster: FakeCluster) -> None:
    cluster.answer("get deployments.apps --all-namespaces", "operators/strimzi-cluster-operator\n")
    finished = cluster.run("setup.sh", "--install-operator")
    assert finished.status == 0, finished.error
    assert "Strimzi's operator is there already (operators/strimzi-cluster-operator)" in finished.output
    assert finished.called("strimzi-kafka-operator") == []


# --dry-run


@pytest.mark.parametrize("options", [[], ["--with-kafka", "dev"]])
def test_a_dry_run_changes_nothing(cluster: FakeCluster, options: list[str]) -> None:
    if options:
        cluster.answer("get kafkas.*range .items")
        cluster.answer("get namespace kafka ")
    finished = cluster.run("setup.sh", "--dry-run", *options)
    assert finished.status == 0, finished.error
    assert changes(finished) == []
    for release in RELEASES:
        assert f"Would install {release}" in finished.output
    assert "Would create the topics" in finished.output
    assert "Would create" in finished.output
    assert "Nothing was changed (--dry-run)" in finished.output
    assert options == [] or "Would create Kafka data-on-eks as in strimzi/overlays/dev/kafka" in finished.output


def test_a_dry_run_asks_the_server_where_it_can(cluster: FakeCluster) -> None:
    cluster.answer("helm .*status clickstream-consumer", "STATUS: deployed\n")
    finished = cluster.run("setup.sh", "--dry-run")
    assert len(finished.called("helm upgrade --install --dry-run=server")) == len(RELEASES)
    assert len(finished.called("create --dry-run=server")) == len(TOPICS)
    assert finished.called("apply --dry-run=server")
    assert "Would upgrade clickstream-consumer" in finished.output


def test_a_dry_run_does_not_wait(cluster: FakeCluster) -> None:
    cluster.answer("wait --for=condition=Ready", status=1)
    cluster.answer("get kafkas.*observedGeneration", "1|1|NotReady=True Creating: waiting for pods|")
    finished = cluster.run("setup.sh", "--dry-run")
    assert finished.status == 0, finished.error
    assert "Would wait until Kafka data-on-eks is Ready: Creating: waiting for pods" in finished.output
    assert finished.called(" wait ") == []


def test_the_scripts_can_be_run() -> None:
    assert all(os.access(ROOT / script, os.X_OK) for script in ("setup.sh", "cleanup.sh"))
