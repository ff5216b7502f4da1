"""What setup.sh takes, checks and leaves alone, on a Kubernetes API that holds what each test says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from clickstream_deploy.api import no_context
from clickstream_deploy.errors import ApiError
from clickstream_deploy.options import parse
from kit.fake_kubernetes import COLLECTOR, RELEASES, STRIMZI, TOPICS, FakeCluster, ready_kafka
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
        (["--platform", "riscv64"], "--platform=riscv64: expected amd64, arm64 or any"),
        (["-n", "kafka"], "unknown option -n"),
        (["dev"], "unexpected argument dev"),
        (["--dry-run", "--local"], "--local must come first"),
        (["--throughput-test", "0"], "--throughput-test=0: expected events per second from 0.001 to 100000"),
        (["--throughput-test=9", "--replicas", "0,1"], "--replicas=0,1: expected numbers of replicas from 1 to 999"),
        (["--throughput-test=9", "--duration", "5s"], "--duration=5s: expected a duration from 10s to 1d"),
        (["--throughput-test=9", "--collector"], "--collector can't be given with --throughput-test"),
        (["--replicas", "3"], "--replicas needs --throughput-test"),
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
    assert (cluster.happened, cluster.api.asked, cluster.programs.calls) == ([], [], [])


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (
            "setup.sh",
            ["--with-kafka dev|eks", "--install-operator", "--values [RELEASE=]FILE", "--local", "--collector  "],
        ),
        ("cleanup.sh", ["--delete-topics", "--delete-kafka", "--all", "The topics stay, with their data"]),
    ],
)
def test_help_needs_nothing_but_a_python(script: str, options: list[str], tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "env"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    command = [str(ROOT / script), "--help"]
    helped = subprocess.run(
        command, env=environ | {"PYTHON": sys.executable}, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(option in helped.stdout for option in (*options, "--dry-run"))
    without = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert without.returncode == 1
    missing = f"{script}: there is no Python 3.11 or newer on the PATH: install it, or name it: PYTHON="
    assert without.stderr == f"{missing}/path/to/python3 ./{script}\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("2000ms", 2), ("90s", 90), ("10m", 600), ("08m", 480), ("1h", 3600), ("1d", 86400)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    options = parse("setup.sh", ["--timeout", text])
    assert options is not None
    assert options.timeout_s == seconds


@pytest.mark.parametrize("rate", ["0.001", "10", "0.5", "100000"])
def test_a_rate_may_have_a_fraction(cluster: FakeCluster, rate: str) -> None:
    finished = cluster.run("setup.sh", "--rate", rate)
    assert finished.status == 0, finished.error
    assert cluster.values("clickstream-producer")["rate"] == float(rate)


# Before anything is touched


@pytest.mark.parametrize(
    ("script", "said"), [("setup.sh", "s  Checking the tools"), ("cleanup.sh", "s  Looking at what")]
)
def test_it_speaks_before_it_asks_the_cluster(cluster: FakeCluster, script: str, said: str) -> None:
    def interrupted(_: Any) -> NoReturn:
        raise KeyboardInterrupt

    cluster.connect = interrupted
    finished = cluster.run(script)
    assert finished.status == 130
    assert said in finished.output


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("kubectl", "there is no kubectl on the PATH: install it"),
        ("helm", "there is no helm on the PATH: install helm 3.13 or newer"),
    ],
)
def test_a_missing_program_is_named(cluster: FakeCluster, program: str, message: str) -> None:
    cluster.programs.missing.add(program)
    finished = cluster.run("setup.sh")
    assert (finished.status, cluster.api.asked) == (1, [])
    assert message in finished.error


@pytest.mark.parametrize(
    ("version", "fits"), [("v3.12.3+g1", False), ("v2.17.0", False), ("v3.13.0", True), ("v4.0.1", True)]
)
def test_helm_must_know_oci_charts(cluster: FakeCluster, version: str, fits: bool) -> None:
    cluster.programs.helm = version
    finished = cluster.run("setup.sh")
    assert (finished.status == 0) == fits
    assert fits or f"helm is {version}: install helm 3.13 or newer" in finished.error


def test_a_cluster_that_does_not_answer_is_named_with_the_reason(cluster: FakeCluster) -> None:
    cluster.api.errors["GET /version"] = ApiError(0, "noise\ni/o timeout")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "the cluster of context fake does not answer (i/o timeout): check VPN and credentials" in finished.error


@pytest.mark.parametrize(
    ("contexts", "message"),
    [
        ("kind-a\nkind-b\n", "no current context: choose one of kind-a kind-b with kubectl config use-context"),
        ("", "kubectl knows no cluster: set KUBECONFIG, or on EKS run aws eks update-kubeconfig"),
    ],
)
def test_without_a_context_it_names_those_that_there_are(cluster: FakeCluster, contexts: str, message: str) -> None:
    cluster.programs.contexts = contexts
    assert message in str(no_context(cluster.programs))


def test_helm_stays_on_the_context_of_the_start(cluster: FakeCluster) -> None:
    assert cluster.run("setup.sh").status == 0
    elsewhere = ("helm version", "helm dependency", "kubectl kustomize")
    calls = [each for each in cluster.programs.calls if not each.startswith(elsewhere)]
    assert calls
    assert all("--kube-context fake" in each and "--namespace kafka" in each for each in calls)


def test_without_strimzi_it_says_how_to_get_it(cluster: FakeCluster) -> None:
    del cluster.api.kinds[STRIMZI]
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "./setup.sh --install-operator installs 1.2.0" in finished.error
    assert "oci://quay.io/strimzi-helm/strimzi-kafka-operator --version 1.2.0" in finished.error
    assert cluster.happened == []


def test_a_strimzi_without_all_kinds_must_be_upgraded(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, "v1", "Kafka", "KafkaTopic")
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "serves kafka.strimzi.io/v1 without v1 of KafkaNodePool KafkaUser: upgrade Strimzi" in finished.error


@pytest.mark.parametrize("options", [["--install-operator"], ["--with-kafka", "dev"]])
def test_a_strimzi_without_v1_must_be_upgraded_for_what_needs_it(cluster: FakeCluster, options: list[str]) -> None:
    cluster.api.serve(STRIMZI, "v1beta2", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
    if "--with-kafka" in options:
        assert cluster.run("setup.sh", *options, "--dry-run").status == 0, "one that is there is used as it is"
        del cluster.api.objects[STRIMZI, "kafkas", "kafka", "data-on-eks"]
    finished = cluster.run("setup.sh", *options)
    assert finished.status == 1
    assert "kafka.strimzi.io/v1beta2" in finished.error
    assert "1.2.0 or newer" in finished.error
    assert cluster.happened == []


def test_topics_and_users_are_in_the_newest_version_that_the_cluster_serves(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, "v1beta2", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert "Strimzi: kafka.strimzi.io/v1beta2\n" in finished.output
    made = [*cluster.api.of("KafkaTopic").values(), *cluster.api.of("KafkaUser").values()]
    assert len(made) == len(TOPICS) + len(RELEASES)
    assert {each["apiVersion"] for each in made} == {"kafka.strimzi.io/v1beta2"}
    removed = cluster.run("cleanup.sh", "--delete-topics")
    assert removed.status == 0, removed.error
    assert (cluster.api.of("KafkaTopic"), cluster.api.of("KafkaUser")) == ({}, {})


def test_a_missing_kafka_is_answered_with_those_of_the_namespace(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--cluster-name", "other")
    assert finished.status == 1
    assert (
        "there is no Kafka other in namespace kafka: choose with --cluster-name one of those that are: data-on-eks"
        in (finished.error)
    )


def test_a_namespace_without_kafka_is_answered_with_those_that_have_one(cluster: FakeCluster) -> None:
    cluster.api.add(ready_kafka("events"), namespace="team")
    finished = cluster.run("setup.sh", "--namespace", "elsewhere")
    assert finished.status == 1
    assert "there is no Kafka in namespace elsewhere, but there are (namespace/name) kafka/data-on-eks team/events" in (
        finished.error
    )


def test_no_kafka_at_all_is_answered_with_how_to_make_one(cluster: FakeCluster) -> None:
    cluster.api.objects.pop((STRIMZI, "kafkas", "kafka", "data-on-eks"))
    finished = cluster.run("setup.sh")
    assert (
        "./setup.sh --with-kafka dev (one node) or --with-kafka eks (three brokers) makes data-on-eks" in finished.error
    )


def test_missing_rights_are_named_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.api.denied |= {"create kafkatopics.kafka.strimzi.io", "patch deployments.apps", "get pods/log"}
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    missing = "create kafkatopics.kafka.strimzi.io, get pods/log, patch deployments.apps"
    assert f"rights that you do not have in namespace kafka: {missing};" in finished.error
    assert cluster.happened == []


def test_a_cluster_that_is_too_old_for_the_charts_is_named_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.api.version = "v1.29.3-eks-1"
    refusal = "Error: chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.3-eks-1"
    cluster.programs.failing["helm template .* --kube-version v1.29.3-eks-1"] = f"{refusal}\n"
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert f"this cluster's Kubernetes is too old for clickstream-consumer ({refusal})" in finished.error
    assert cluster.happened == []


def test_values_that_a_chart_refuses_are_shown_before_anything_is_made(cluster: FakeCluster) -> None:
    cluster.programs.failing["helm template clickstream-producer"] = "Error: at '/rate': got string, want number\n"
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert "at '/rate': got string, want number" in finished.error
    assert (
        "the values for clickstream-producer are refused: see above (charts/clickstream-producer/values.yaml explains"
        in finished.error
    )
    assert cluster.happened == []


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("pending-install", "helm uninstall clickstream-consumer -n kafka"),
        ("pending-upgrade", "helm rollback clickstream-consumer -n kafka"),
    ],
)
def test_a_release_that_helm_left_half_done_is_explained(cluster: FakeCluster, status: str, remedy: str) -> None:
    cluster.programs.releases["clickstream-consumer"] = status
    finished = cluster.run("setup.sh")
    assert finished.status == 1
    assert f"release clickstream-consumer is {status}" in finished.error
    assert remedy in finished.error
    assert cluster.happened == []


# --dry-run


@pytest.mark.parametrize("options", [[], ["--with-kafka", "dev"]])
def test_a_dry_run_changes_nothing(cluster: FakeCluster, options: list[str]) -> None:
    if options:
        cluster.api.objects.clear()
    finished = cluster.run("setup.sh", "--dry-run", *options)
    assert finished.status == 0, finished.error
    assert cluster.happened == []
    for release in RELEASES:
        assert f"Would install {release}" in finished.output
    assert f"Would create the topics {' '.join(TOPICS)}" in finished.output
    assert "Nothing was changed (--dry-run)" in finished.output
    assert options == [] or "Would create Kafka data-on-eks as in strimzi/overlays/dev/kafka" in finished.output
    assert options == [] or "Would create namespace kafka" in finished.output


def test_a_dry_run_with_the_collector_speaks_of_it(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--dry-run", "--collector")
    assert finished.status == 0, finished.error
    assert cluster.happened == []
    assert "Would create or update the users " + " ".join((*RELEASES, COLLECTOR)) in finished.output
    assert f"Would install {COLLECTOR}" in finished.output


def test_a_dry_run_asks_the_server_where_it_can(cluster: FakeCluster) -> None:
    cluster.programs.releases["clickstream-consumer"] = "deployed"
    finished = cluster.run("setup.sh", "--dry-run")
    assert len([each for each in cluster.programs.calls if "upgrade --install --dry-run=server" in each]) == len(
        RELEASES
    )
    kinds = [each["kind"] for each in cluster.api.dry]
    assert (kinds.count("KafkaTopic"), kinds.count("KafkaUser")) == (len(TOPICS), len(RELEASES))
    assert "Would upgrade clickstream-consumer" in finished.output


def test_a_dry_run_does_not_wait(cluster: FakeCluster) -> None:
    creating = {"type": "NotReady", "status": "True", "reason": "Creating", "message": "waiting for pods"}
    cluster.kafka()["status"] = {"observedGeneration": 1, "conditions": [creating]}
    finished = cluster.run("setup.sh", "--dry-run")
    assert finished.status == 0, finished.error
    assert "Would wait until Kafka data-on-eks is Ready: Creating: waiting for pods" in finished.output
    assert cluster.clock.now == 0


def test_the_scripts_can_be_run() -> None:
    assert all(os.access(ROOT / script, os.X_OK) for script in ("setup.sh", "cleanup.sh"))
