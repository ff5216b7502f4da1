"""What setup.sh does not wait for to the end, with a kubectl and a helm that answer as each test says."""

import pytest

from kit.fake_cluster import FakeCluster

HURRY = "sleep() { SECONDS=$((SECONDS + 16)); }"
"""Lets a pause of the watch be a quarter of a minute."""

RELEASING = ("WORK=$HOME HELM= VALUES=() BOOTSTRAP_SERVERS=kafka:9093",)

REFUSALS = (
    "WARNING clickstream_core.patience: Kafka refuses the credentials (invalid): check its password",
    "WARNING clickstream_consumer.reader: Kafka at kafka:9093 refuses: invalid credentials",
    "⏳ Kafka refuses the connection: invalid credentials; trying again until it is there",
    "✗ Kafka refuses the events: this user may not write to topic clickstream-events; grant it Write and Describe",
    '{"level": "WARNING", "message": "not authorized to describe topic clickstream-events; waiting for the ACL"}',
    "clickstream-events: cannot join the group yet: [Error 30] GroupAuthorizationFailedError: clickstream-processor",
    "WARNING clickstream_core.patience: TLS handshake with kafka:9093 failed (certificate verify failed)",
    "Kafka is away: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate",
    "no address is known for kafka:9093 (Name or service not known): check KAFKA_BOOTSTRAP_SERVERS",
    "WARNING clickstream_core.patience: topic clickstream-event does not exist; waiting for it to be created",
)


@pytest.mark.parametrize("line", REFUSALS)
def test_what_kafka_refuses_is_not_waited_for_to_the_end(cluster: FakeCluster, line: str) -> None:
    cluster.answer("helm upgrade --install clickstream-consumer", takes=60)
    cluster.answer("get replicasets", "1|abc|\n")
    cluster.answer("get pods .*pod-template-hash=abc", "app-1|False|0|| |\n")
    cluster.answer("logs app-1 .*--since", f"Starting\n{line}\nWARNING aiokafka: something else\n")
    finished = cluster.source(HURRY, *RELEASING, "install_release clickstream-consumer", "echo not reached")
    assert (finished.status, "not reached" in finished.output) == (1, False)
    assert "Pod app-1 runs, but it can't do its work, and waiting does not change that:" in finished.error
    assert line in finished.error
    assert "clickstream-consumer does not come up: see above, then run setup.sh again" in finished.error


@pytest.mark.parametrize(
    "log",
    [
        "",
        "Kafka is away: connection refused; trying again until it answers\n",
        "Kafka refuses the credentials (invalid)\n✓ Connected to Kafka: ['kafka:9093']\n",
        "Kafka at kafka:9093 refuses: invalid credentials\nReading clickstream-metrics; it was unavailable for 12 s\n",
        "restoring\n",
        "can't check whether the retention of clickstream-events is long enough: TopicAuthorizationFailedError\n",
    ],
)
def test_what_may_pass_by_itself_is_waited_for(cluster: FakeCluster, log: str) -> None:
    cluster.answer("get replicasets", "1|abc|\n")
    cluster.answer("get pods .*pod-template-hash=abc", "app-1|False|0|| |\n")
    cluster.answer("logs app-1 ", log)
    finished = cluster.source(
        "begin_watch app", "look_at_pods", "SECONDS=$((SECONDS + 500))", "look_at_pods", 'echo "$TROUBLE."'
    )
    assert finished.output == ".\n"


def test_a_refusal_is_remembered_while_the_container_begins_again(cluster: FakeCluster) -> None:
    cluster.answer("get replicasets", "1|abc|\n")
    pods = ["app-1|False|0|| |\n", "app-1|False|1|| 1|\n", "app-1|False|1|CrashLoopBackOff| 1|\n"]
    cluster.answer("get pods .*pod-template-hash=abc", *pods)
    cluster.answer("logs app-1 ", "✗ Kafka refuses the events: no\n", "", "✗ Kafka refuses the events: no\n")
    looks = ["look_at_pods", "SECONDS=$((SECONDS + 13))"] * 3
    finished = cluster.source("begin_watch app", *looks, 'echo "$TROUBLE $REFUSAL"')
    assert finished.output == "Refused ✗ Kafka refuses the events: no\n"


def test_a_wrong_setting_is_not_tried_again(cluster: FakeCluster) -> None:
    cluster.answer("helm upgrade --install clickstream-consumer", takes=60)
    cluster.answer("get replicasets", "1|abc|\n")
    cluster.answer("get pods .*pod-template-hash=abc", "app-1|False|1|CrashLoopBackOff| 2|\n")
    cluster.answer("logs app-1 .*--previous", "clickstream-consumer: HTTP_PORT=banana: expected a number\n")
    finished = cluster.source(*RELEASING, "install_release clickstream-consumer")
    assert finished.status == 1
    assert "Pod app-1 ends with status 2: one of its settings is wrong. What it said:" in finished.error
    assert "clickstream-consumer: HTTP_PORT=banana: expected a number" in finished.error


@pytest.mark.parametrize(
    "why",
    [
        'pods "app-1" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=0, limited: pods=0',
        'pods "app-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'pods "app-1" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi',
        'admission webhook "policy.example.com" denied the request: no images from localhost',
    ],
)
def test_pods_that_kubernetes_does_not_allow_are_not_waited_for(cluster: FakeCluster, why: str) -> None:
    cluster.answer("helm upgrade --install clickstream-consumer", takes=60)
    cluster.answer("get replicasets", f"1|old|\n2|abc|{why}\n2||{why}\n")
    finished = cluster.source(HURRY, *RELEASING, "install_release clickstream-consumer")
    assert finished.status == 1
    assert f"Kubernetes makes no pod: {why}" in finished.error


def test_replica_sets_that_kubernetes_does_not_allow_are_named_too(cluster: FakeCluster) -> None:
    cluster.answer("get replicasets", '1||replicasets.apps "app" is forbidden: exceeded quota: tight\n')
    finished = cluster.source(
        "begin_watch app", "look_at_pods", "SECONDS=$((SECONDS + 60))", "look_at_pods", 'echo "$TROUBLE $NOT_CREATED"'
    )
    assert finished.output == 'NotCreated replicasets.apps "app" is forbidden: exceeded quota: tight\n'


@pytest.mark.parametrize(
    ("pod", "event", "troubled"),
    [
        ("app-1|False||| |0/3 nodes: 3 Insufficient cpu.\n", "FailedScheduling: no", "Unschedulable"),
        ("app-1|False||| |0/3 nodes: 3 Insufficient cpu.\n", "NotTriggerScaleUp: no", "Unschedulable"),
        ("app-1|False||| |0/3 nodes: 3 Insufficient cpu.\n", "TriggeredScaleUp: 3->4", ""),
        ("app-1|False||| |0/3 nodes: 3 Insufficient cpu.\n", "Nominated: nodeclaim/x", ""),
        ('app-1|False||| |0/1 nodes: claim "country" not found.\n', "FailedScheduling: no", "Unschedulable"),
        ("app-1|False||| |Scheduling is blocked due to non-empty scheduling gates\n", "x: y", ""),
        ("app-1|False|0|ContainerCreating| |\n", 'FailedMount: secret "mine" not found', "FailedMount"),
        ("app-1|False|0|ContainerCreating| |\n", "FailedMount: timed out waiting for the condition", ""),
    ],
)  # fmt: skip
def test_a_pod_that_no_node_takes_is_not_waited_for(cluster: FakeCluster, pod: str, event: str, troubled: str) -> None:
    cluster.answer("get replicasets", "1|abc|\n")
    cluster.answer("get pods .*pod-template-hash=abc", pod)
    cluster.answer("get events .*name=app-1", f"{event}\n")
    finished = cluster.source(
        "begin_watch app", "look_at_pods", 'echo "at once: $TROUBLE"', "SECONDS=$((SECONDS + LONGEST_UNSCHEDULED))",
        "look_at_pods", 'echo "later: $TROUBLE"',
    )  # fmt: skip
    assert finished.output == f"at once: \nlater: {troubled}\n"
