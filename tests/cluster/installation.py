"""Clickstream as setup.sh installs it, in a namespace of its own, and what is there of it."""

import json
import os
import time
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from cluster.commands import run
from kit.poll import eventually

PRODUCER = "clickstream-producer"
PROCESSOR = "clickstream-streams-processor"
CONSUMER = "clickstream-consumer"
RELEASES = (PRODUCER, PROCESSOR, CONSUMER)
COLLECTOR = "clickstream-collector"
SCENARIOS = "clickstream-scenarios"
STATISTICS = "clickstream-statistics"
KAFKA_POD = "data-on-eks-dual-role-0"
WINDOW_SECONDS = 5
RATE = 200

# The images, where `make images` with the same variables puts them.
_IMAGES = [
    f"--image-{option}={os.environ[variable]}"
    for option, variable in (("registry", "REGISTRY"), ("tag", "TAG"))
    if os.environ.get(variable)
]


class Installation:
    """One Clickstream, its Kafka included. Nothing is there before `set_up` and after `remove`."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.printed = ""
        self.seconds = 0.0
        self.core: Any = client.CoreV1Api()
        self.apps: Any = client.AppsV1Api()

    def set_up(self, *options: str, with_kafka: bool = True) -> None:
        """Run setup.sh; `printed` and `seconds` are of the last time."""
        usual = [f"--namespace={self.namespace}", f"--window-size={WINDOW_SECONDS}s"]
        usual += ["--with-kafka=dev"] if with_kafka else []
        began = time.monotonic()
        self.printed = run("./setup.sh", *usual, f"--rate={RATE}", *_IMAGES, *options, deadline_seconds=900)
        self.seconds = time.monotonic() - began

    def clean_up(self, *options: str) -> str:
        """Run cleanup.sh and return what it printed."""
        return run("./cleanup.sh", f"--namespace={self.namespace}", *options, deadline_seconds=600)

    def helm(self, *arguments: str) -> str:
        """Run Helm in the namespace."""
        return run("helm", "--namespace", self.namespace, *arguments)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace."""
        return run("kubectl", "--namespace", self.namespace, *arguments)

    def pods(self, release: str) -> list[Any]:
        """The release's pods, without those of `helm test` and those that are going."""
        selector = f"app.kubernetes.io/instance={release},pod-template-hash"
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return [each for each in found if each.metadata.deletion_timestamp is None]

    def pod_names(self, release: str) -> set[str]:
        """Their names; a pod that is replaced gets another."""
        return {each.metadata.name for each in self.pods(release)}

    def wait_until_ready(self, release: str, replicas: int = 1, deadline_seconds: float = 300) -> None:
        """Wait until the release has so many pods, of its newest revision, and all are Ready."""

        def ready() -> bool:
            deployment = self.apps.read_namespaced_deployment(release, self.namespace)
            assert deployment.status.observed_generation == deployment.metadata.generation, "the change is not seen yet"
            pods = self.pods(release)
            states = {each.metadata.name: is_ready(each) for each in pods}
            assert list(states.values()) == [True] * replicas, f"{release}: not {replicas} Ready pods: {states}"
            assert deployment.status.updated_replicas == replicas, f"{release}: pods of an older revision: {states}"
            return True

        eventually(ready, deadline_seconds, every=1)

    def scale(self, release: str, replicas: int) -> None:
        """As kubectl scale, and wait until so many pods are Ready."""
        self.kubectl("scale", f"deployment/{release}", f"--replicas={replicas}")
        self.wait_until_ready(release, replicas)

    def kill(self, pod: str) -> None:
        """End the pod at once, as with its node."""
        self.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    def log(self, pod: str, **part: int) -> str:
        """All that the pod has printed, or a `part` of it (tail_lines=100); nothing before it has started."""
        try:
            answer = self.core.read_namespaced_pod_log(pod, self.namespace, _preload_content=False, **part)
        except ApiException as error:
            if error.status == 400:
                return ""
            raise
        return str(answer.data.decode())

    def restarts(self) -> dict[str, int]:
        """How often each pod's container was started again."""
        pods = [pod for release in RELEASES for pod in self.pods(release)]
        return {pod.metadata.name: pod.status.container_statuses[0].restart_count for pod in pods}

    def values(self, release: str) -> dict[str, Any]:
        """What setup.sh has set of the release's values."""
        values: dict[str, Any] = json.loads(self.helm("get", "values", release, "-o", "json"))
        return values


def is_ready(pod: Any) -> bool:
    """Whether the pod has the condition Ready."""
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
