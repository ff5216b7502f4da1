"""Topics, users and releases of setup.sh, with a kubectl and a helm that answer as each test says."""

from pathlib import Path

import pytest

from kit.fake_cluster import (
    COLLECTOR,
    LISTENER,
    MUTUAL,
    RELEASES,
    TOPICS,
    FakeCluster,
    changes,
    processor_deployment,
    values_of,
)
from kit.inventory import ROOT

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


def test_a_topic_of_another_kafkatopic_is_left_as_it_is(cluster: FakeCluster) -> None:
    cluster.answer("get kafkatopics.* -l .*topicName", "|clickstream-events\nweb_logs|logs-of-the-shop\n")
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert len(finished.called("create --save-config -f -")) == len(TOPICS) - 1
    assert "topic web_logs is that of KafkaTopic logs-of-the-shop: left as it is" in finished.output


def test_a_topic_of_our_own_kafkatopic_is_kept(cluster: FakeCluster) -> None:
    cluster.answer("get kafkatopics.* clickstream-web-logs ", "there|data-on-eks||3|1")
    cluster.answer("get kafkatopics.* -l .*topicName", "web_logs|clickstream-web-logs\n")
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert "Topics that were there: clickstream-web-logs" in finished.output


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


RUNNING = {"WINDOW_SIZE": "5m", "WINDOW_TIME": "event", "MAX_CLOCK_SKEW": "1m"}


@pytest.mark.parametrize(
    ("changed", "rolls"),
    [({}, True), ({"WINDOW_SIZE": "1m"}, False), ({"WINDOW_TIME": "arrival"}, False), ({"MAX_CLOCK_SKEW": ""}, False)],
)
def test_the_processors_pods_roll_only_where_what_they_count_stays(
    cluster: FakeCluster, tmp_path: Path, changed: dict[str, str], rolls: bool
) -> None:
    cluster.answer(
        "helm template clickstream-streams-processor ", processor_deployment(WINDOW_TIME="event", MAX_CLOCK_SKEW="1m")
    )
    for name, value in (RUNNING | changed).items():
        cluster.answer(f"get deployment clickstream-streams-processor .*name=='{name}'", value)
    (tmp_path / "own.yaml").write_text("strategy: Recreate\n")
    options = ["--values", "clickstream-streams-processor=own.yaml"]
    finished = cluster.run("setup.sh", *options, folder=tmp_path)
    assert finished.status == 0, finished.error
    (upgrade,) = finished.called("helm upgrade --install clickstream-streams-processor ")
    _, *found, own, _ = upgrade.values
    assert found == ["strategy: RollingUpdate"] * rolls
    assert own == "strategy: Recreate", "the user's own values win"
    assert "strategy" not in values_of(finished, "clickstream-producer")


def test_a_new_processor_does_not_roll(cluster: FakeCluster) -> None:
    assert "strategy" not in values_of(cluster.run("setup.sh"), "clickstream-streams-processor")


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


# The collector


def test_without_asking_there_is_no_collector(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh")
    assert finished.status == 0, finished.error
    assert finished.called(f"(kustomize .*|helm upgrade.*){COLLECTOR}") == []
    assert COLLECTOR not in finished.output


def test_the_collector_comes_last_with_a_user_of_its_own(cluster: FakeCluster) -> None:
    finished = cluster.run("setup.sh", "--collector")
    assert finished.status == 0, finished.error
    installed = [each.call.split()[3] for each in finished.called("helm upgrade --install")]
    assert installed == [*RELEASES, COLLECTOR]
    (users,) = finished.called("apply -f -")
    assert [name for name in (*RELEASES, COLLECTOR) if f"\n  name: {name}\n" in users.stdin] == [*RELEASES, COLLECTOR]
    assert users.stdin.count("---\n") == len(RELEASES)
    (wait,) = finished.called("wait --for=condition=Ready .*kafkausers")
    assert f"kafkausers.kafka.strimzi.io/{COLLECTOR}" in wait.call
    assert f"{COLLECTOR} is Ready" in finished.output
    assert f"kubectl port-forward service/{COLLECTOR} 8090:8080 -n kafka" in finished.output
    assert f"helm get notes {COLLECTOR} -n kafka" in finished.output


@pytest.mark.parametrize("asked", [["--collector", "--values", "{}"], ["--values", "{}", "--collector"]])
def test_the_collector_takes_values_image_and_connection(
    cluster: FakeCluster, tmp_path: Path, asked: list[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("siteKeys: [shop]\n")
    options = [each.format(f"{COLLECTOR}=mine.yaml") for each in asked]
    finished = cluster.run("setup.sh", *options, "--image-registry=ghcr.io/example", "--image-tag=9", folder=tmp_path)
    assert finished.status == 0, finished.error
    assert finished.called(f"helm dependency build .*/charts/{COLLECTOR}$")
    (upgrade,) = finished.called(f"helm upgrade --install {COLLECTOR} ")
    kafka, mine, options_given = upgrade.values
    assert 'authentication: {type: "scram-sha-512"}' in kafka
    assert mine == "siteKeys: [shop]"
    assert options_given == 'image:\n  registry: "ghcr.io/example"\n  tag: "9"'
    assert "siteKeys" not in values_of(finished, "clickstream-producer")


VISITORS = f"{COLLECTOR}-visitors"


@pytest.fixture
def salted(cluster: FakeCluster) -> FakeCluster:
    """With the collector's own rendering, which names the secret of its visitors."""
    cluster.answer(f"helm template {COLLECTOR} ", f"kind: Deployment\n  secretName: {VISITORS}\n")
    cluster.answer(f"create secret generic {VISITORS} .*--dry-run=client", "kind: Secret\n")
    return cluster


def test_the_secret_of_the_visitors_is_made_once_before_the_collector(salted: FakeCluster) -> None:
    finished = salted.run("setup.sh", "--collector")
    assert finished.status == 0, finished.error
    assert f"Secret {VISITORS} created" in finished.output
    (labelled,) = finished.called("label --local .*app.kubernetes.io/instance=clickstream-collector ")
    assert "app.kubernetes.io/part-of=clickstream" in labelled.call, "by which cleanup.sh finds it"
    (created,) = [each for each in finished.called(" create -f -") if each.stdin == "kind: Secret\n"]
    (upgrade,) = finished.called(f"helm upgrade --install {COLLECTOR} ")
    assert finished.calls.index(created) < finished.calls.index(upgrade)

    salted.answer(f"get secrets --field-selector=metadata.name={VISITORS} ", f"secret/{VISITORS}\n")
    again = salted.run("setup.sh", "--collector")
    assert again.status == 0, again.error
    assert again.called("create secret") == []


def test_no_secret_is_made_where_none_is_missing(cluster: FakeCluster, salted: FakeCluster) -> None:
    assert salted.run("setup.sh").called("create secret") == []
    dry = salted.run("setup.sh", "--collector", "--dry-run")
    assert dry.called("create secret") == []
    assert f"Would create the secret {VISITORS}" in dry.output
    cluster.answer(f"helm template {COLLECTOR} ", "kind: Deployment\n  secretName: mine\n")
    assert cluster.run("setup.sh", "--collector").called("create secret") == []


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_collector_that_takes_clicks_is_left_alone_by_a_run_without_it(
    cluster: FakeCluster, options: list[str]
) -> None:
    cluster.answer(f"helm .*status {COLLECTOR}", "STATUS: deployed\n")
    finished = cluster.run("setup.sh", *options)
    assert finished.status == 0, finished.error
    assert f"{COLLECTOR} is there and stays as it is (with --collector it is updated too)" in finished.output
    assert finished.called(f"helm (upgrade|.* uninstall).*{COLLECTOR}|(delete|apply).*{COLLECTOR}") == []


def test_a_collector_that_does_not_come_up_is_explained(cluster: FakeCluster) -> None:
    cluster.answer(f"helm upgrade --install {COLLECTOR}", "Error: context deadline exceeded\n", status=1)
    cluster.answer(f"get pods .*instance={COLLECTOR}.*Ready", f"{COLLECTOR}-1|False\n")
    cluster.answer(f"logs {COLLECTOR}-1 ", "what the app said last\n")
    finished = cluster.run("setup.sh", "--collector")
    assert finished.status == 1
    assert "what the app said last" in finished.error
    assert f"{COLLECTOR} is not Ready after" in finished.error
