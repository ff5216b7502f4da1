"""Topics, users and releases of setup.sh, on a Kubernetes API that holds what each test says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from clickstream_deploy.errors import ApiError
from kit.fake_kubernetes import (
    COLLECTOR,
    MUTUAL,
    RELEASES,
    RENDERED,
    TOPICS,
    FakeCluster,
    event,
    manifest,
    pod,
    processor_deployment,
    ready_kafka,
    replica_set,
    topic,
)
from kit.inventory import ROOT

PROCESSOR = "clickstream-streams-processor"

# Topics and users


def test_a_small_cluster_gets_the_topics_with_one_replica(cluster: FakeCluster) -> None:
    output = cluster.set_up()
    created = cluster.api.of("KafkaTopic")
    assert sorted(created) == sorted(TOPICS)
    assert {each["spec"]["replicas"] for each in created.values()} == {1}
    assert f"Topics created: {' '.join(TOPICS)}" in output


def test_topics_that_are_there_are_left_as_they_are(cluster: FakeCluster) -> None:
    cluster.api.add(topic("clickstream-events", partitions=12, replicas=2))
    output = cluster.set_up()
    assert len(cluster.matching("create KafkaTopic/")) == len(TOPICS) - 1
    assert cluster.matching("KafkaTopic/clickstream-events") == []
    assert "topic clickstream-events has 12 partitions (a new one would get 6): left as it is" in output
    assert "topic clickstream-events has 2 replicas (a new one would get 1): left as it is" in output


def test_a_topic_of_another_kafkatopic_is_left_as_it_is(cluster: FakeCluster) -> None:
    cluster.api.add(topic("logs-of-the-shop", spec={"topicName": "web_logs"}))
    output = cluster.set_up()
    assert len(cluster.matching("create KafkaTopic/")) == len(TOPICS) - 1
    assert "topic web_logs is that of KafkaTopic logs-of-the-shop: left as it is" in output


def test_a_topic_of_our_own_kafkatopic_is_kept(cluster: FakeCluster) -> None:
    cluster.api.add(topic("clickstream-web-logs", spec={"topicName": "web_logs"}))
    assert "Topics that were there: clickstream-web-logs" in cluster.set_up()


def test_a_topic_that_cannot_become_ready_is_explained(cluster: FakeCluster) -> None:
    failed = {
        "type": "Ready",
        "status": "False",
        "reason": "KafkaError",
        "message": "replication factor: 3 larger than 1",
    }
    cluster.api.status["KafkaTopic"] = {"observedGeneration": 1, "conditions": [failed]}
    name, labels = "data-on-eks-entity-operator", {"strimzi.io/name": "data-on-eks-entity-operator"}
    spec = {"selector": {"matchLabels": labels}}
    cluster.api.add(manifest("Deployment", name, "apps/v1", spec=spec), pod(name, labels=labels, ready=True))
    cluster.api.logs[name] = ["the operator's log\n"]
    cluster.fails("setup.sh --timeout 1s", "replication factor: 3 larger than 1", "the operator's log")
    assert cluster.installed() == []


def test_users_are_made_for_the_listeners_authentication(cluster: FakeCluster) -> None:
    cluster.set_up()
    made = cluster.api.of("KafkaUser")
    assert {each["spec"]["authentication"]["type"] for each in made.values()} == {"scram-sha-512"}
    cluster.kafka()["spec"]["kafka"]["listeners"] = [MUTUAL]
    cluster.set_up()
    made = cluster.api.of("KafkaUser")
    assert {each["spec"]["authentication"]["type"] for each in made.values()} == {"tls"}
    assert all("authorization" in each["spec"] for each in made.values())
    assert cluster.values("clickstream-producer")["kafka"]["authentication"] == {"type": "tls"}


def test_users_of_a_cluster_without_authorization_have_no_acls(cluster: FakeCluster) -> None:
    del cluster.kafka()["spec"]["kafka"]["authorization"]
    cluster.set_up()
    made = cluster.api.of("KafkaUser")
    assert sorted(made) == sorted(RELEASES)
    assert all(each["spec"] == {"authentication": {"type": "scram-sha-512"}} for each in made.values())


def test_another_cluster_name_is_put_into_the_manifests(cluster: FakeCluster) -> None:
    cluster.api.add(ready_kafka("events"))
    cluster.set_up("--cluster-name events")
    made = [*cluster.api.of("KafkaTopic").values(), *cluster.api.of("KafkaUser").values()]
    assert {each["metadata"]["labels"]["strimzi.io/cluster"] for each in made} == {"events"}
    assert "data-on-eks" not in str(made)


# Releases


def test_the_releases_come_in_the_order_in_which_nothing_is_missed(cluster: FakeCluster) -> None:
    output = cluster.set_up()
    assert cluster.installed() == list(RELEASES)
    assert all("--wait" in each for each in cluster.programs.calls if "upgrade --install" in each)
    for command in (
        "kubectl logs -f deployment/clickstream-consumer -n kafka",
        "kubectl get pods -n kafka | grep clickstream",
        "kubectl scale deployment clickstream-streams-processor -n kafka --replicas=3",
        "./cleanup.sh",
    ):
        assert command in output


def test_options_win_over_files_and_files_over_what_kafka_says(cluster: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("image: {tag: from-all}\n")
    (tmp_path / "one.yaml").write_text("windowSize: 7s\n")
    values = f"--values={tmp_path}/all.yaml --values {PROCESSOR}={tmp_path}/one.yaml"
    cluster.set_up(f"{values} --image-tag=9.9.9 --image-registry ghcr.io/example --window-size 30s --rate 50")
    kafka, everywhere, here, chosen = cluster.programs.values[PROCESSOR]
    assert "bootstrapServers" in kafka["kafka"]
    assert (everywhere, here) == ({"image": {"tag": "from-all"}}, {"windowSize": "7s"})
    assert chosen == {"image": {"registry": "ghcr.io/example", "tag": "9.9.9"}, "windowSize": "30s"}
    producer = cluster.values("clickstream-producer")
    assert producer["rate"] == 50
    assert "windowSize" not in producer


def running_processor(settings: dict[str, str]) -> dict[str, Any]:
    (deployment, _) = yaml.safe_load_all(processor_deployment(**settings))
    found: dict[str, Any] = deployment
    return found


RUNNING = {"WINDOW_SIZE": "5m", "WINDOW_TIME": "event", "MAX_CLOCK_SKEW": "1m"}


@pytest.mark.parametrize(
    ("changed", "rolls"),
    [({}, True), ({"WINDOW_SIZE": "1m"}, False), ({"WINDOW_TIME": "arrival"}, False), ({"MAX_CLOCK_SKEW": ""}, False)],
)
def test_the_processors_pods_roll_only_where_what_they_count_stays(
    cluster: FakeCluster, tmp_path: Path, changed: dict[str, str], rolls: bool
) -> None:
    cluster.programs.rendered[PROCESSOR] = processor_deployment(WINDOW_TIME="event", MAX_CLOCK_SKEW="1m")
    cluster.api.add(running_processor(RUNNING | changed))
    (tmp_path / "own.yaml").write_text("strategy: Recreate\n")
    cluster.set_up(f"--values {PROCESSOR}={tmp_path}/own.yaml")
    _, *found, own = cluster.programs.values[PROCESSOR]
    assert found == [{"strategy": "RollingUpdate"}] * rolls
    assert own == {"strategy": "Recreate"}, "the user's own values win"
    assert "strategy" not in cluster.values("clickstream-producer")


def test_a_new_processor_does_not_roll(cluster: FakeCluster) -> None:
    cluster.set_up()
    assert "strategy" not in cluster.values(PROCESSOR)


@pytest.mark.parametrize(
    ("architectures", "options", "chosen"),
    [
        (["amd64", "amd64"], "", None),
        (["arm64"], "", None),
        (["arm64", "amd64"], "", "amd64"),
        (["arm64", "amd64"], "--platform arm64", "arm64"),
        (["arm64", "amd64"], "--platform=any", None),
        ([], "--platform=arm64", "arm64"),
    ],
)
def test_where_nodes_are_mixed_the_apps_run_on_those_that_fit_the_images(
    cluster: FakeCluster, architectures: list[str], options: str, chosen: str | None
) -> None:
    for number, architecture in enumerate(architectures):
        cluster.api.add(manifest("Node", f"node-{number}", labels={"kubernetes.io/arch": architecture}))
    output = cluster.set_up(options)
    for release in RELEASES:
        wanted = {"kubernetes.io/arch": chosen} if chosen else None
        assert cluster.values(release).get("nodeSelector") == wanted
    said = "Nodes are amd64 and arm64: the apps run on amd64 (--platform names another, or any)"
    assert (said in output) == (chosen == "amd64")


def test_the_manifests_and_charts_are_those_of_the_repository(cluster: FakeCluster) -> None:
    cluster.set_up()
    assert f"kubectl kustomize {ROOT}/strimzi/overlays/dev/topics" in cluster.programs.calls
    assert any(
        f"install clickstream-consumer {ROOT}/charts/clickstream-consumer " in each for each in cluster.programs.calls
    )


def test_a_failed_upgrade_shows_helms_words_the_pods_and_the_way_back(cluster: FakeCluster) -> None:
    cluster.programs.failing["upgrade --install clickstream-consumer"] = "Error: context deadline exceeded\n"
    cluster.api.add(pod("clickstream-consumer-1"))
    cluster.api.logs["clickstream-consumer-1"] = ["what the app said last\n"]
    cluster.programs.history = (
        "REVISION UPDATED STATUS\n1 Sun Nov 22 superseded x\n2 Sun Nov 22 deployed x\n3 Sun Nov 22 failed x\n"
    )
    cluster.fails(
        "setup.sh",
        "context deadline exceeded",
        "what the app said last",
        "clickstream-consumer is not Ready after",
        "what ran before comes back with helm rollback clickstream-consumer 2 -n kafka",
    )
    assert cluster.installed() == ["clickstream-consumer"]


def test_an_image_that_is_missing_is_explained(cluster: FakeCluster) -> None:
    cluster.programs.hanging.add("clickstream-consumer")
    failed = event("app-1", "Failed", "not found")
    cluster.api.add(replica_set(1, "abc"), pod("app-1", reason="ErrImagePull"), failed)
    cluster.fails(
        "setup.sh",
        "Pod app-1 can't get its image localhost/app:nope (ErrImagePull)",
        "event Warning Failed: not found",
        "--image-registry",
        "clickstream-consumer does not come up: see above, then run setup.sh again",
    )
    assert cluster.programs.stopped == ["clickstream-consumer"]
    assert cluster.clock.now < 30


def test_ctrl_c_says_how_to_go_on_and_lets_helm_end(cluster: FakeCluster) -> None:
    cluster.programs.hanging.add("clickstream-consumer")
    cluster.press_ctrl_c(7)
    finished = cluster.run("setup.sh")
    assert finished.status == 130
    assert "setup.sh: interrupted after 7s" in finished.error
    assert "setup.sh with the same options goes on from there, cleanup.sh removes it" in finished.error
    assert cluster.installed() == cluster.programs.stopped == ["clickstream-consumer"]


def test_a_request_that_fails_unexpectedly_does_not_end_it_silently(cluster: FakeCluster) -> None:
    cluster.api.errors["POST .*/kafkatopics"] = ApiError(500, "the server is in trouble")
    cluster.fails("setup.sh", "a request failed after 0s: the server is in trouble. What was made so far stays")


# The collector


def test_without_asking_there_is_no_collector(cluster: FakeCluster) -> None:
    output = cluster.set_up()
    assert [each for each in cluster.programs.calls if re.search(f"(kustomize|upgrade).*{COLLECTOR}", each)] == []
    assert COLLECTOR not in output


def test_the_collector_comes_last_with_a_user_of_its_own(cluster: FakeCluster) -> None:
    output = cluster.set_up("--collector")
    assert cluster.installed() == [*RELEASES, COLLECTOR]
    assert list(cluster.api.of("KafkaUser")) == [*RELEASES, COLLECTOR]
    assert f"Users are Ready: {' '.join((*RELEASES, COLLECTOR))}" in output
    assert f"{COLLECTOR} is Ready" in output
    assert f"kubectl port-forward service/{COLLECTOR} 8090:8080 -n kafka" in output
    assert f"helm get notes {COLLECTOR} -n kafka" in output


@pytest.mark.parametrize("asked", ["--collector --values {}", "--values {} --collector"])
def test_the_collector_takes_values_image_and_connection(cluster: FakeCluster, tmp_path: Path, asked: str) -> None:
    (tmp_path / "mine.yaml").write_text("siteKeys: [shop]\n")
    asked = asked.format(f"{COLLECTOR}={tmp_path}/mine.yaml")
    cluster.set_up(f"{asked} --image-registry=ghcr.io/example --image-tag=9")
    assert f"helm dependency build --skip-refresh {ROOT}/charts/{COLLECTOR}" in cluster.programs.calls
    kafka, mine, chosen = cluster.programs.values[COLLECTOR]
    assert kafka["kafka"]["authentication"] == {"type": "scram-sha-512"}
    assert mine == {"siteKeys": ["shop"]}
    assert chosen == {"image": {"registry": "ghcr.io/example", "tag": "9"}}
    assert "siteKeys" not in cluster.values("clickstream-producer")


VISITORS = f"{COLLECTOR}-visitors"


def rendered_with_secret(name: str) -> str:
    volumes = [{"name": "visitors", "secret": {"secretName": name}}]
    spec = {"template": {"spec": {"volumes": volumes}}}
    return str(yaml.safe_dump(manifest("Deployment", COLLECTOR, "apps/v1", spec=spec)))


def test_the_secret_of_the_visitors_is_made_once_before_the_collector(cluster: FakeCluster) -> None:
    cluster.programs.rendered[COLLECTOR] = rendered_with_secret(VISITORS)
    assert f"Secret {VISITORS} created" in cluster.set_up("--collector")
    secret = cluster.api.of("Secret")[VISITORS]
    labels = {"app.kubernetes.io/instance": COLLECTOR, "app.kubernetes.io/part-of": "clickstream"}
    assert secret["metadata"]["labels"] == labels, "by which cleanup.sh finds it"
    assert len(secret["data"]["secret"]) > 60
    assert cluster.happened.index(f"create Secret/{VISITORS}") < cluster.happened.index(f"install {COLLECTOR}")

    cluster.set_up("--collector")
    assert len(cluster.matching("create Secret/")) == 1


def test_no_secret_is_made_where_none_is_missing(cluster: FakeCluster) -> None:
    cluster.programs.rendered[COLLECTOR] = rendered_with_secret(VISITORS)
    cluster.set_up()
    assert f"Would create the secret {VISITORS}" in cluster.set_up("--collector --dry-run")
    cluster.programs.rendered[COLLECTOR] = rendered_with_secret("mine")
    cluster.set_up("--collector")
    assert cluster.api.of("Secret") == {}


@pytest.mark.parametrize("options", ["", "--dry-run"])
def test_a_collector_that_takes_clicks_is_left_alone_by_a_run_without_it(cluster: FakeCluster, options: str) -> None:
    cluster.programs.releases[COLLECTOR] = "deployed"
    assert f"{COLLECTOR} is there and stays as it is (with --collector it is updated too)" in cluster.set_up(options)
    assert cluster.matching(COLLECTOR) == []


def test_kinds_that_a_chart_makes_are_asked_for_as_rights(cluster: FakeCluster) -> None:
    policy = manifest("NetworkPolicy", "x", "networking.k8s.io/v1")
    cluster.programs.rendered["clickstream-consumer"] = f"{RENDERED}---\n{yaml.safe_dump(policy)}"
    cluster.set_up()
    assert {"create networkpolicies.networking.k8s.io", "patch services"} <= set(cluster.api.asked)
