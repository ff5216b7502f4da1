"""What setup.sh takes, checks and leaves alone, with a kubectl and a helm that answer as each test says."""

import os

import pytest

from kit.fake_cluster import COLLECTOR, RELEASES, TOPICS, FakeCluster, changes, values_of
from kit.inventory import ROOT

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
        (["--"], "unknown option --"),
        (["--streams"], "unknown option --streams"),
        (["--values", "clickstream-collector=/dev/null"], "clickstream-collector is installed with --collector"),
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
    assert "--collector  " in finished.output


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


@pytest.mark.parametrize(
    ("script", "said"), [("setup.sh", "s  Checking the tools"), ("cleanup.sh", "s  Looking at what")]
)
def test_it_speaks_before_it_asks_the_cluster(cluster: FakeCluster, script: str, said: str) -> None:
    cluster.answer("get --raw=/version", takes=60)
    finished = cluster.run(script, interrupt_at=said)
    assert finished.status == 130
    assert [each for each in finished.calls if " auth can-i " in each.call] == []


def test_rights_are_asked_for_side_by_side(cluster: FakeCluster) -> None:
    cluster.answer("auth can-i", takes=1)
    rights = " ".join(f"get thing{number}" for number in range(8))
    finished = cluster.source("QUESTIONS_AT_ONCE=8", f'check_rights "see" {rights}', 'echo "$SECONDS"')
    assert int(finished.output) < 6, "eight of them, a second each"


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


def test_a_cluster_that_is_too_old_for_the_charts_is_named_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.answer("get --raw=/version", '{\n  "gitVersion": "v1.29.3-eks-1",\n  "minor": "29"\n}\n')
    refusal = "Error: chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.3-eks-1"
    cluster.answer("helm template .* --kube-version v1.29.3-eks-1", error=f"{refusal}\n", status=1)
    finished = cluster.run("setup.sh")

    assert finished.status == 1
    assert f"this cluster's Kubernetes is too old for clickstream-consumer ({refusal})" in finished.error
    assert finished.called("apply|create|helm upgrade") == []


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


def test_a_dry_run_with_the_collector_speaks_of_it(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--dry-run", "--collector")
    assert finished.status == 0, finished.error
    assert changes(finished) == []
    assert "Would create or update the users " + " ".join((*RELEASES, COLLECTOR)) in finished.output
    assert f"Would install {COLLECTOR}" in finished.output


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
