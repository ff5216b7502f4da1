"""The options, the start and the dry run of setup.sh, on a Kubernetes API that holds what each test says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from clickstream_deploy.api import no_context
from clickstream_deploy.options import parse
from kit.fake_kubernetes import COLLECTOR, RELEASES, STRIMZI, TOPICS, FakeCluster
from kit.inventory import ROOT


@pytest.mark.parametrize(
    ("script", "options"),
    [
        (
            "setup.sh",
            ["--with-kafka dev|eks", "--install-operator", "--values [RELEASE=]FILE", "--local", "--collector  "],
        ),
        ("cleanup.sh", ["--delete-topics", "--delete-kafka", "--all", "The topics\nstay, with their data"]),
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


def test_the_scripts_can_be_run() -> None:
    assert all(os.access(ROOT / script, os.X_OK) for script in ("setup.sh", "cleanup.sh"))


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
    cluster.set_up(f"--rate {rate}")
    assert cluster.values("clickstream-producer")["rate"] == float(rate)


def test_the_producer_writes_web_logs_where_they_are_asked_for(cluster: FakeCluster) -> None:
    cluster.set_up("--kind weblog")
    assert cluster.values("clickstream-producer")["kind"] == "weblog"
    assert not [each for each in RELEASES[:-1] if "kind" in cluster.values(each)]
    cluster.set_up()
    assert "kind" not in cluster.values("clickstream-producer"), "the chart's default: events"


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
    cluster.set_up()
    elsewhere = ("helm version", "helm dependency", "kubectl kustomize")
    calls = [each for each in cluster.programs.calls if not each.startswith(elsewhere)]
    assert calls
    assert all("--kube-context fake" in each and "--namespace kafka" in each for each in calls)


def test_topics_and_users_are_in_the_newest_version_that_the_cluster_serves(cluster: FakeCluster) -> None:
    cluster.api.serve(STRIMZI, "v1beta2", "Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser")
    cluster.set_up("--with-kafka dev --dry-run")  # one that is there is used as it is
    assert "Strimzi: kafka.strimzi.io/v1beta2\n" in cluster.set_up()
    made = [*cluster.api.of("KafkaTopic").values(), *cluster.api.of("KafkaUser").values()]
    assert len(made) == len(TOPICS) + len(RELEASES)
    assert {each["apiVersion"] for each in made} == {"kafka.strimzi.io/v1beta2"}
    cluster.clean_up("--delete-topics")
    assert (cluster.api.of("KafkaTopic"), cluster.api.of("KafkaUser")) == ({}, {})


# --dry-run


@pytest.mark.parametrize("new", [False, True])
def test_a_dry_run_changes_nothing(cluster: FakeCluster, new: bool) -> None:
    if new:
        cluster.api.objects.clear()
    output = cluster.set_up("--dry-run --with-kafka dev" if new else "--dry-run")
    assert cluster.happened == []
    for would in (*(f"install {each}" for each in RELEASES), f"create the topics {' '.join(TOPICS)}"):
        assert f"Would {would}" in output
    assert "Nothing was changed (--dry-run)" in output
    assert new == ("Would create Kafka data-on-eks as in strimzi/overlays/dev/kafka" in output)
    assert new == ("Would create namespace kafka" in output)


def test_a_dry_run_with_the_collector_speaks_of_it(cluster: FakeCluster) -> None:
    output = cluster.set_up("--dry-run --collector")
    assert cluster.happened == []
    assert "Would create or update the users " + " ".join((*RELEASES, COLLECTOR)) in output
    assert f"Would install {COLLECTOR}" in output


def test_a_dry_run_asks_the_server_where_it_can(cluster: FakeCluster) -> None:
    cluster.programs.releases["clickstream-consumer"] = "deployed"
    assert "Would upgrade clickstream-consumer" in cluster.set_up("--dry-run")
    asked = [each for each in cluster.programs.calls if "upgrade --install --dry-run=server" in each]
    assert len(asked) == len(RELEASES)
    kinds = [each["kind"] for each in cluster.api.dry]
    assert (kinds.count("KafkaTopic"), kinds.count("KafkaUser")) == (len(TOPICS), len(RELEASES))


def test_a_dry_run_does_not_wait(cluster: FakeCluster) -> None:
    creating = {"type": "NotReady", "status": "True", "reason": "Creating", "message": "waiting for pods"}
    cluster.kafka()["status"] = {"observedGeneration": 1, "conditions": [creating]}
    assert "Would wait until Kafka data-on-eks is Ready: Creating: waiting for pods" in cluster.set_up("--dry-run")
    assert cluster.clock.now == 0
