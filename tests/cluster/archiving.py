"""The archive in the cluster: one command of clickstream-archive as a Job, and what the sink has committed."""

import json
import os
import secrets
from typing import Any

from kubernetes import client

from clickstream_core import __version__
from cluster.installation import Installation
from kit.poll import eventually

ARCHIVE = "clickstream-archive"


def missing_images(*wanted_images: str) -> list[str]:
    """Those of the images that no node has; with a REGISTRY the nodes pull them."""
    if os.environ.get("REGISTRY"):
        return []
    nodes: Any = client.CoreV1Api().list_node()
    there = {name for node in nodes.items for image in node.status.images or () for name in image.names or ()}
    wanted = [f"localhost/clickstream-{each}:{os.environ.get('TAG', __version__)}" for each in wanted_images]
    return [each for each in wanted if each not in there]


def run_job(installation: Installation, name: str, *arguments: str, deadline_seconds: float = 120) -> tuple[int, str]:
    """Run the command of one of the release's CronJobs now, with these arguments instead of its own; return its exit
    status and what it printed."""
    batch: Any = client.BatchV1Api()
    cron_job = batch.read_namespaced_cron_job(f"{ARCHIVE}-{name}", installation.namespace)
    spec = cron_job.spec.job_template.spec
    if arguments:
        spec.template.spec.containers[0].args = [name, *arguments]
    job = f"{ARCHIVE}-{name}-{secrets.token_hex(3)}"
    body = client.V1Job(metadata=client.V1ObjectMeta(name=job), spec=spec)
    batch.create_namespaced_job(installation.namespace, body)

    def ended() -> Any:
        pods = installation.core.list_namespaced_pod(installation.namespace, label_selector=f"job-name={job}").items
        states = [each.state.terminated for pod in pods for each in pod.status.container_statuses or ()]
        assert any(states), f"{job} has not ended: {[pod.status.phase for pod in pods]}"
        return pods[0].metadata.name, states[0].exit_code

    pod, status = eventually(ended, deadline_seconds, every=0.5)
    printed = installation.log(pod)
    batch.delete_namespaced_job(job, installation.namespace, propagation_policy="Background")
    return status, printed


def connector(installation: Installation) -> dict[str, Any]:
    """The KafkaConnector."""
    found: dict[str, Any] = json.loads(installation.kubectl("get", "kafkaconnector", ARCHIVE, "-o", "json"))
    return found


def commit_every(installation: Installation, seconds: int) -> None:
    """Change the interval of the sink's commits, and wait until its task runs again."""
    change = {"spec": {"config": {"iceberg.control.commit.interval-ms": str(seconds * 1000)}}}
    installation.kubectl("patch", "kafkaconnector", ARCHIVE, "--type=merge", "-p", json.dumps(change))

    def runs() -> bool:
        status = connector(installation)["status"]
        generation = connector(installation)["metadata"]["generation"]
        assert status["observedGeneration"] == generation, "the change is not seen yet"
        return bool(status["conditions"][0]["type"] == "Ready")

    eventually(runs, deadline_seconds=60, every=1)
