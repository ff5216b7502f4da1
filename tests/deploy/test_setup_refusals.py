"""What setup.sh and cleanup.sh refuse before anything is changed, and the words that help."""

import itertools
import shlex
import threading
from collections.abc import Callable
from typing import Any

import pytest

from clickstream_deploy.errors import ApiError
from kit.fake_kubernetes import (
    OF_KAFKA,
    STRIMZI,
    FakeCluster,
    listener,
    manifest,
    ready_kafka,
    strimzi,
    topic,
)

TOO_OLD = "Error: chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.3-eks-1"
OLDER = ("v1beta2", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
Change = Callable[[FakeCluster], object]

OF_OTHER = {"strimzi.io/cluster": "other"}
SERVES = "Kafka data-on-eks also serves kafkatopic/orders: remove them first"
RIGHTS_FOR_REMOVAL = "to remove Clickstream you need rights that you do not have in namespace kafka:"
USERS = f"kafkausers.{STRIMZI}"
MISSING = (f"create kafkatopics.{STRIMZI}", "get pods/log", "patch deployments.apps")
PLAIN = listener("plain", 9092, False)
OUTSIDE = listener("outside", 9097, True, "scram-sha-512", "loadbalancer")
GP3 = strimzi("KafkaNodePool", "broker", spec={"storage": {"volumes": [{"class": "gp3"}]}})


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("setup.sh --namespace", "--namespace needs a value"),
        ("setup.sh --namespace=", "--namespace needs a value that is not empty"),
        ("setup.sh --namespace --dry-run", "--namespace needs a value, not the option --dry-run"),
        ("setup.sh --namespace Kafka", "--namespace=Kafka: expected lower-case letters"),
        (f"setup.sh --namespace {'a' * 64}", "at most 63"),
        ("setup.sh --cluster-name=-x", "--cluster-name=-x: expected"),
        ("setup.sh --with-kafka big", "--with-kafka=big: expected dev (one node) or eks"),
        ("setup.sh --image-registry https://ghcr.io/x", "without https://"),
        ("setup.sh --image-registry ghcr.io/x/", "--image-registry=ghcr.io/x/: expected"),
        ("setup.sh --image-tag sha256:12ab", "a digest is image.digest"),
        ("setup.sh --window-size 5", "--window-size=5: expected whole seconds from 1s to 1d"),
        ("setup.sh --window-size 500ms", "--window-size=500ms: expected whole seconds"),
        ("setup.sh --window-size 25h", "--window-size=25h: expected whole seconds"),
        ("setup.sh --window-size 0s", "--window-size=0s: expected whole seconds"),
        (
            "setup.sh --kind weblogs",
            "--kind=weblogs: expected events, weblog (web server logs) or access-log (requests of scenarios)",
        ),
        ("setup.sh --rate 0", "--rate=0: expected events per second from 0.001 to 100000"),
        ("setup.sh --rate 100001", "--rate=100001: expected events per second"),
        ("setup.sh --rate 08", "--rate=08: expected events per second"),
        ("setup.sh --rate 1e3", "--rate=1e3: expected events per second"),
        ("setup.sh --timeout 10", "--timeout=10: expected a duration"),
        ("setup.sh --timeout 0m", "--timeout=0m: expected a duration"),
        ("setup.sh --values missing.yaml", "the file missing.yaml can't be read"),
        ("setup.sh --values .", "the file . can't be read"),
        ("setup.sh --values clickstream-streams=x.yaml", "there is no release clickstream-streams; expected one of"),
        ("setup.sh --values clickstream-collector=/dev/null", "clickstream-collector is installed with --collector"),
        ("setup.sh --", "unknown option --"),
        ("setup.sh --streams", "unknown option --streams"),
        ("setup.sh --dry-run=client", "unexpected argument client"),
        ("setup.sh --verbose", "unknown option --verbose"),
        ("setup.sh --platform riscv64", "--platform=riscv64: expected amd64, arm64 or any"),
        ("setup.sh -n kafka", "unknown option -n"),
        ("setup.sh dev", "unexpected argument dev"),
        ("setup.sh --dry-run --local", "--local must come first"),
        ("setup.sh --throughput-test 0", "--throughput-test=0: expected events per second from 0.001 to 100000"),
        ("setup.sh --throughput-test=9 --replicas 0,1", "--replicas=0,1: expected numbers of replicas from 1 to 999"),
        ("setup.sh --throughput-test=9 --duration 5s", "--duration=5s: expected a duration from 10s to 1d"),
        ("setup.sh --throughput-test=9 --collector", "--collector can't be given with --throughput-test"),
        ("setup.sh --replicas 3", "--replicas needs --throughput-test"),
        ("cleanup.sh --namespace", "--namespace needs a value"),
        ("cleanup.sh --cluster-name=A", "--cluster-name=A: expected lower-case letters"),
        ("cleanup.sh --timeout soon", "--timeout=soon: expected a duration"),
        ("cleanup.sh --delete-everything", "unknown option --delete-everything"),
        ("cleanup.sh --with-kafka dev", "unknown option --with-kafka"),
        ("cleanup.sh all", "unexpected argument all"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line_before_anything_is_asked(
    cluster: FakeCluster, command: str, message: str
) -> None:
    finished = cluster.run(command)
    assert finished.status == 2
    assert message in finished.error
    assert finished.error.startswith(f"{shlex.split(command)[0]}: ")
    assert finished.error.count("\n") == 1
    assert (cluster.happened, cluster.api.asked, cluster.programs.calls) == ([], [], [])


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda c: c.programs.missing.add("kubectl"), "", "there is no kubectl on the PATH: install it"),
        (lambda c: c.programs.missing.add("helm"), "", "there is no helm on the PATH: install helm 3.13 or newer"),
        (lambda c: c.api.denied.update(MISSING), "", f"you do not have in namespace kafka: {', '.join(MISSING)};"),
        (
            lambda c: c.api.errors.update({"GET /version": ApiError(0, "noise\ni/o timeout")}),
            "",
            "the cluster of context fake does not answer (i/o timeout): check VPN and credentials",
        ),
        # Strimzi
        (lambda c: c.api.kinds.pop(STRIMZI), "", "./setup.sh --install-operator installs 1.2.0"),
        (
            lambda c: c.api.kinds.pop(STRIMZI),
            "",
            "oci://quay.io/strimzi-helm/strimzi-kafka-operator --version 1.2.0",
        ),
        (
            lambda c: c.api.serve(STRIMZI, "v1", "Kafka", "KafkaTopic"),
            "",
            f"serves {STRIMZI}/v1 without v1 of KafkaNodePool KafkaUser: upgrade Strimzi to 1.2.0 or newer",
        ),
        (
            lambda c: c.api.serve(STRIMZI, *OLDER),
            "--install-operator",
            f"definitions of another Strimzi ({STRIMZI}/v1beta2), which helm would leave as they are: upgrade",
        ),
        # Kafka
        (
            lambda c: None,
            "--cluster-name other",
            "there is no Kafka other in namespace kafka: choose with --cluster-name one of those that are: data-on-eks",
        ),
        (
            lambda c: c.api.add(ready_kafka("events"), namespace="team"),
            "--namespace elsewhere",
            "no Kafka in namespace elsewhere, but there are (namespace/name) kafka/data-on-eks team/events: choose one",
        ),
        (
            lambda c: c.api.remove("Kafka", "data-on-eks"),
            "",
            "./setup.sh --with-kafka dev (one node) or --with-kafka eks (three brokers) makes data-on-eks",
        ),
        (
            lambda c: c.kafka()["spec"]["entityOperator"].pop("topicOperator"),
            "",
            "without an operator for topics: add spec.entityOperator.topicOperator: {}",
        ),
        (
            lambda c: c.kafka()["spec"]["entityOperator"].pop("userOperator"),
            "",
            "users, for which listener tls asks: add spec.entityOperator.userOperator: {}",
        ),
        (
            lambda c: c.kafka()["spec"]["kafka"].update(listeners=[PLAIN, OUTSIDE]),
            "",
            "plain (9092): without authentication, which authorization refuses; outside (9097): type loadbalancer",
        ),
        # Topics and releases
        (
            lambda c: c.api.add(topic("clickstream-metrics", labels=OF_OTHER)),
            "",
            "belongs to Kafka other, not to data-on-eks: use --cluster-name other",
        ),
        (
            lambda c: c.api.add(topic("clickstream-metrics", deletionTimestamp="2026-01-01T00:00:00Z")),
            "",
            "KafkaTopic clickstream-metrics is being deleted",
        ),
        (
            lambda c: c.programs.releases.update({"clickstream-consumer": "pending-install"}),
            "",
            "or one was killed; if so, run helm uninstall clickstream-consumer -n kafka first",
        ),
        (
            lambda c: c.programs.releases.update({"clickstream-consumer": "pending-upgrade"}),
            "",
            "or one was killed; if so, run helm rollback clickstream-consumer -n kafka first",
        ),
        (
            lambda c: None,
            "--values clickstream-monitoring=/dev/null",
            "--values=clickstream-monitoring=...: without the Prometheus operator",
        ),
    ],
)
def test_setup_refuses_before_anything_is_made(cluster: FakeCluster, change: Change, options: str, words: str) -> None:
    change(cluster)
    cluster.refuses(f"setup.sh {options}", words)


def test_a_new_kafka_needs_a_newer_strimzi(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, *OLDER)
    cluster.api.remove("Kafka", "data-on-eks")
    cluster.refuses("setup.sh --with-kafka dev", f"Strimzi serves {STRIMZI}/v1beta2, and a new", "1.2.0 or newer")


def test_a_kafka_made_as_dev_does_not_become_eks(cluster: FakeCluster) -> None:
    cluster.mark("Kafka", "data-on-eks")
    cluster.api.add(strimzi("KafkaNodePool", "broker", spec={"replicas": 3, "roles": ["broker"]}))
    cluster.refuses("setup.sh --with-kafka dev", "Kafka data-on-eks was made another way, with node pool broker")


def test_volumes_of_an_earlier_kafka_are_refused_because_a_new_one_would_not_start(cluster: FakeCluster) -> None:
    cluster.without_kafka()
    cluster.api.add(manifest("PersistentVolumeClaim", "data-0", labels=OF_KAFKA))
    cluster.refuses("setup.sh --with-kafka dev", "kubectl delete pvc -n kafka -l strimzi.io/cluster=data-on-eks")


def test_a_missing_storage_class_is_named(cluster: FakeCluster) -> None:
    cluster.without_kafka()
    cluster.programs.manifests["overlays/eks/kafka"] = [GP3]
    cluster.api.add(*(manifest("StorageClass", name, "storage.k8s.io/v1") for name in ("gp2", "standard")))
    cluster.refuses("setup.sh --with-kafka eks", "needs the storage class gp3, and this cluster has gp2 standard")


def test_a_cluster_that_is_too_old_for_the_charts_is_named(cluster: FakeCluster) -> None:
    cluster.api.version = "v1.29.3-eks-1"
    cluster.programs.failing["helm template .* --kube-version v1.29.3-eks-1"] = f"{TOO_OLD}\n"
    cluster.refuses("setup.sh", f"this cluster's Kubernetes is too old for clickstream-consumer ({TOO_OLD})")


def test_values_that_a_chart_refuses_are_shown(cluster: FakeCluster) -> None:
    cluster.programs.failing["template clickstream-producer"] = "Error: at '/rate': got string, want number\n"
    explained = "(charts/clickstream-producer/values.yaml explains them)"
    refused = f"the values for clickstream-producer are refused: see above {explained}"
    cluster.refuses("setup.sh", "Error: at '/rate': got string, want number\n", refused)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda c: None, "--delete-kafka", "setup.sh did not make Kafka data-on-eks in namespace kafka"),
        (lambda c: c.mark("Kafka", "data-on-eks"), "--delete-kafka", f"{SERVES}, or leave out --delete-kafka"),
        (lambda c: c.mark("Kafka", "data-on-eks"), "--all", f"{SERVES}, or leave out --all"),
        (lambda c: c.api.denied.add(f"delete {USERS}"), "", f"{RIGHTS_FOR_REMOVAL} delete {USERS};"),
    ],
)
def test_cleanup_refuses_before_anything_is_removed(
    cluster: FakeCluster, change: Change, options: str, words: str
) -> None:
    cluster.api.add(topic("orders"))
    change(cluster)
    cluster.refuses(f"cleanup.sh {options}", words)


def test_a_user_of_another_cluster_is_not_taken_over(cluster: FakeCluster) -> None:
    cluster.api.add(strimzi("KafkaUser", "clickstream-producer", labels=OF_OTHER))
    cluster.fails("setup.sh", "KafkaUser clickstream-producer in namespace kafka belongs to Kafka other")
    assert cluster.matching("KafkaUser/") == []


@pytest.mark.parametrize(
    ("version", "fits"), [("v3.12.3+g1", False), ("v2.17.0", False), ("v3.13.0", True), ("v4.0.1", True)]
)
def test_helm_must_know_oci_charts(cluster: FakeCluster, version: str, fits: bool) -> None:
    cluster.programs.helm = version
    if fits:
        cluster.set_up()
    else:
        cluster.refuses("setup.sh", f"helm is {version}: install helm 3.13 or newer")


def test_rights_are_asked_side_by_side(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    meeting, questions, request = threading.Barrier(3), itertools.count(), cluster.api.request

    def asked(method: str, path: str, **rest: Any) -> Any:
        if path.endswith("selfsubjectaccessreviews") and next(questions) < meeting.parties:
            meeting.wait(timeout=60)  # for the others, which must be on their way
        return request(method, path, **rest)

    monkeypatch.setattr(cluster.api, "request", asked)
    cluster.set_up()
    assert next(questions) > 10
