"""What setup.sh does not wait for to the end: pods in trouble, and what Kafka refuses."""

import os
from typing import Any

import pytest

from clickstream_deploy.pods import last_word
from clickstream_deploy.progress import Clock, Progress
from kit.fake_kubernetes import FakeCluster, Finished, event, manifest, pod, replica_set

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
CRASHING = {"reason": "CrashLoopBackOff"}
PULLING = ("Pulling", "the image")
UNSCHEDULED = {"unscheduled": "0/3 nodes: 3 Insufficient cpu."}


@pytest.fixture
def hanging(cluster: FakeCluster) -> FakeCluster:
    """With a clickstream-consumer that does not become Ready; its newest ReplicaSet is abc."""
    cluster.programs.hanging.add("clickstream-consumer")
    cluster.api.add(replica_set(1, "old"), replica_set(3, "abc"), replica_set(2, "older"))
    return cluster


def ended(cluster: FakeCluster, *changes: tuple[float, Any], after_s: float = 120) -> Finished:
    """How setup.sh ends, by itself or by Ctrl+C after so many seconds; `changes` are called after theirs."""
    cluster.clock.due.extend(changes)
    cluster.press_ctrl_c(after_s)
    return cluster.run("setup.sh")


def stops(cluster: FakeCluster, *words: str) -> str:
    """setup.sh ends by itself, with these words; return the error."""
    cluster.press_ctrl_c(120)
    return cluster.fails("setup.sh", *words)


@pytest.mark.parametrize("line", REFUSALS)
def test_what_kafka_refuses_is_not_waited_for_to_the_end(hanging: FakeCluster, line: str) -> None:
    hanging.api.add(pod("app-1"))
    hanging.api.logs["app-1"] = [f"Starting\n{line}\nWARNING aiokafka: something else\n"]
    work = "Pod app-1 runs, but it can't do its work, and waiting does not change that:"
    error = stops(hanging, work, line, "clickstream-consumer does not come up: see above, then run setup.sh again")
    assert 25 <= hanging.clock.now < 35
    assert "no address" not in line or "kafka.bootstrapServers is data-on-eks-kafka-bootstrap:9093" in error


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
def test_what_may_pass_by_itself_is_waited_for(hanging: FakeCluster, log: str) -> None:
    hanging.api.add(pod("app-1"))
    hanging.api.logs["app-1"] = [log]
    assert ended(hanging, after_s=500).status == 130
    assert not last_word(log)[1]


def test_a_refusal_is_remembered_while_the_container_begins_again(hanging: FakeCluster) -> None:
    hanging.api.add(pod("app-1"))
    hanging.api.logs["app-1"] = ["✗ Kafka refuses the events: no\n", ""]
    finished = ended(hanging, (10, lambda: hanging.api.add(pod("app-1", reason="CrashLoopBackOff", exited=1))))
    assert finished.status == 1
    assert "✗ Kafka refuses the events: no" in finished.error


def test_a_wrong_setting_is_not_tried_again(hanging: FakeCluster) -> None:
    hanging.api.add(pod("app-1", reason="CrashLoopBackOff", restarts=1, exited=2))
    hanging.api.logs["previous app-1"] = ["clickstream-consumer: HTTP_PORT=banana: expected a number\n"]
    stops(
        hanging,
        "Pod app-1 ends with status 2: one of its settings is wrong. What it said:",
        "clickstream-consumer: HTTP_PORT=banana: expected a number",
    )
    assert hanging.clock.now < 5


@pytest.mark.parametrize(
    "why",
    [
        'pods "app-1" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=0, limited: pods=0',
        'pods "app-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'pods "app-1" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi',
        'admission webhook "policy.example.com" denied the request: no images from localhost',
    ],
)
def test_pods_that_kubernetes_does_not_allow_are_not_waited_for(hanging: FakeCluster, why: str) -> None:
    hanging.api.add(replica_set(4, "new", why))
    stops(hanging, f"Kubernetes makes no pod: {why}")


@pytest.mark.parametrize(("why", "seconds"), [("exceeded quota: tight", 15), ("failed calling webhook x: refused", 60)])
def test_replica_sets_that_kubernetes_does_not_allow_are_named_too(
    hanging: FakeCluster, why: str, seconds: float
) -> None:
    hanging.api.objects = {key: each for key, each in hanging.api.objects.items() if each["kind"] != "ReplicaSet"}
    refused = {"type": "Progressing", "status": "False", "reason": "ReplicaSetCreateError", "message": why}
    labels = {"app.kubernetes.io/instance": "clickstream-consumer"}
    deployment = manifest("Deployment", "clickstream-consumer", "apps/v1", labels=labels)
    hanging.api.add({**deployment, "status": {"conditions": [refused]}})
    stops(hanging, f"Kubernetes makes no pod: {why}")
    assert seconds <= hanging.clock.now < seconds + 10


@pytest.mark.parametrize(
    ("found", "happened", "said", "after_s"),
    [
        ({"reason": "ErrImagePull"}, PULLING, "can't get its image localhost/app:nope (ErrImagePull)", 15),
        ({"reason": "ImagePullBackOff"}, PULLING, "can't get its image localhost/app:nope (ImagePullBackOff)", 15),
        ({"reason": "CreateContainerConfigError"}, PULLING, "can't start (CreateContainerConfigError)", 15),
        ({**CRASHING, "restarts": 3}, PULLING, "ends again and again", 15),
        ({**CRASHING, "restarts": 1}, PULLING, "", 0),
        ({"reason": "ContainerCreating"}, PULLING, "", 0),
        ({"reason": "PodInitializing", "unscheduled": "0/3 nodes are available"}, PULLING, "", 0),
        ({"ready": True, "restarts": 5}, PULLING, "", 0),
        # No node takes it
        (UNSCHEDULED, ("FailedScheduling", "no"), "fits on no node", 45),
        (UNSCHEDULED, ("NotTriggerScaleUp", "no"), "fits on no node", 45),
        (UNSCHEDULED, ("TriggeredScaleUp", "3->4"), "", 0),
        (UNSCHEDULED, ("Nominated", "nodeclaim/x"), "", 0),
        ({"unscheduled": '0/1 nodes: claim "country" not found.'}, ("FailedScheduling", "no"), "fits on no node", 45),
        ({"unscheduled": "Scheduling is blocked due to non-empty scheduling gates"}, PULLING, "", 0),
        ({"reason": "ContainerCreating"}, ("FailedMount", 'secret "mine" not found'), "a volume can't be mounted", 25),
        ({"reason": "ContainerCreating"}, ("FailedMount", "timed out waiting for the condition"), "", 0),
    ],
)
def test_trouble_that_lasts_is_not_waited_out(
    hanging: FakeCluster, found: dict[str, Any], happened: tuple[str, str], said: str, after_s: float
) -> None:
    hanging.api.add(pod("app-1", **found), event("app-1", *happened))
    finished = ended(hanging)
    assert finished.status == (1 if said else 130)
    assert said in finished.error
    assert not said or after_s <= hanging.clock.now < after_s + 10


def test_trouble_that_passes_is_forgotten(hanging: FakeCluster) -> None:
    failing, fine = (pod("app-1", reason=each) for each in ("ErrImagePull", "ContainerCreating"))
    changes = [(at, lambda each=each: hanging.api.add(each)) for at, each in ((10, fine), (20, failing), (30, fine))]
    hanging.api.add(failing)
    assert ended(hanging, *changes).status == 130


def test_a_pod_of_an_earlier_revision_is_no_trouble(hanging: FakeCluster) -> None:
    labels = {"app.kubernetes.io/instance": "clickstream-consumer", "pod-template-hash": "old"}
    hanging.api.add(pod("app-1", reason="ErrImagePull", labels=labels))
    assert ended(hanging).status == 130


def test_a_reader_that_has_gone_interrupts() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        with pytest.raises(KeyboardInterrupt):
            Progress(Clock(), out).print("a step")
        Progress(Clock(), out).print("what is said on the way out goes nowhere")
